//! What is so when nothing has gone wrong for a while: the living are exactly those that there shall be.

use ringway::control::machine::plan::ReplicasPlan;
use ringway::control::view::ReplicaState;
use ringway::provider::{Instance, InstanceId};

use crate::operator::members;
use crate::provider::Process;
use crate::world::{Stage, World};

/// What is not as it should be; nothing where all is.
pub(crate) fn unsettled(world: &World) -> Option<String> {
    let Some(machine) = &world.machine else { return Some("it does not run".to_owned()) };
    if world.stage != Stage::Up || !world.disk.is_idle() {
        return Some(format!("{:?}, disk idle: {}", world.stage, world.disk.is_idle()));
    }
    if world.operator.pending() > 0 {
        return Some(format!("{} calls are not answered", world.operator.pending()));
    }
    if machine.durable().services != world.disk.held().services {
        return Some("the file does not hold what the machine has".to_owned());
    }
    let view = machine.view(world.now());
    if let Some(fault) = view.storage_fault {
        return Some(format!("the view has a fault of the storage: {fault}"));
    }
    let stray = world.provider.owned().find(|(_, instance)| !is_member(world, instance));
    if let Some((_, instance)) = stray {
        return Some(format!("a stray: {instance:?}"));
    }
    let leaked = world.provider.leaked_ports();
    if !leaked.is_empty() {
        return Some(format!("ports are taken that nobody uses: {leaked:?}"));
    }
    let faulty = view.services.iter().find_map(|service| {
        service.replicas.iter().find_map(|replica| {
            let is_fine = replica.member && replica.state == ReplicaState::Active;
            (!is_fine).then(|| format!("{} in the view: {replica:?}", service.name))
        })
    });
    faulty.or_else(|| {
        world.plans.iter().find_map(|plan| match plan.replicas {
            ReplicasPlan::Owned { .. } => unsettled_service(world, &plan.name),
            ReplicasPlan::Static(_) => unsettled_publication(world, &plan.name),
        })
    })
}

fn is_member(world: &World, instance: &Instance) -> bool {
    let is_in = world.plans.iter().any(|plan| plan.name == instance.service);
    is_in && members(world.disk.held(), &instance.service).iter().any(|name| name == instance.name.as_str())
}

fn unsettled_service(world: &World, service: &str) -> Option<String> {
    let mut wanted = members(world.disk.held(), service);
    wanted.sort();
    let living = || world.provider.owned().filter(|(_, instance)| &*instance.service == service);
    let mut names: Vec<String> = living().map(|(_, instance)| instance.name.to_string()).collect();
    names.sort();
    if names != wanted {
        return Some(format!("{service}: {names:?} live where {wanted:?} shall"));
    }
    let recorded = world.disk.held().services[service].instances.iter();
    let mut recorded: Vec<(InstanceId, bool)> =
        recorded.map(|instance| (instance.id, instance.record.is_some())).collect();
    recorded.sort();
    let mut alive: Vec<(InstanceId, bool)> = living().map(|(_, instance)| (instance.id, true)).collect();
    alive.sort();
    if recorded != alive {
        return Some(format!("{service}: {recorded:?} are recorded where {alive:?} live"));
    }
    living()
        .find_map(|(process, instance)| unpublished(world, process, instance))
        .or_else(|| unsettled_publication(world, service))
}

fn unpublished(world: &World, process: &Process, instance: &Instance) -> Option<String> {
    let of = world.cores.newest().iter().find(|of| of.service == instance.service)?;
    let is_right = of.replicas.iter().any(|replica| {
        &*replica.name == instance.name.as_str()
            && replica.incarnation == instance.id.0
            && replica.address == Some(process.address)
    });
    (!is_right).then(|| format!("{instance:?} at {} is published as {:?}", process.address, of.replicas))
}

fn unsettled_publication(world: &World, service: &str) -> Option<String> {
    let Some(of) = world.cores.newest().iter().find(|of| &*of.service == service) else {
        return Some(format!("{service} is not published"));
    };
    of.replicas.iter().find_map(|replica| {
        let is_up = world.cores.is_up(InstanceId(replica.incarnation));
        let listens = replica.address.is_some_and(|address| world.provider.at(address).is_some());
        (!is_up || !listens).then(|| format!("{service}: up {is_up}, listens {listens}: {replica:?}"))
    })
}
