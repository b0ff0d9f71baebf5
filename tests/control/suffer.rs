//! What troubles do to the world.

use std::time::Duration;

use ringway::control::machine::event::Event;
use ringway::control::machine::plan::{ReplicasPlan, ServicePlan};

use crate::provider::Pid;
use crate::timeline::Happening;
use crate::trouble::{Edit, Trouble, Whom};
use crate::world::{Stage, World};

/// One thing goes wrong, or an operator does something.
pub(crate) fn suffer(world: &mut World, trouble: Trouble) {
    let now = world.now();
    world.ledger.note(now, || format!("{trouble:?}"));
    match trouble {
        Trouble::Exit(whom) => {
            world.ledger.reach("exit");
            let owned: Vec<Pid> = world.provider.owned().map(|(process, _)| process.pid).collect();
            of(&owned, whom).into_iter().for_each(|pid| world.exit(pid, "exited with code 3"));
        }
        Trouble::Feel(whom, mood, lasting) => {
            world.ledger.reach("spell");
            let all: Vec<Pid> = world.provider.processes.iter().map(|process| process.pid).collect();
            for pid in of(&all, whom) {
                world.provider.feel(pid, mood, Some(lasting), &mut world.timeline);
            }
        }
        Trouble::Observe(number, kind) => {
            if let Some(id) = world.cores.pick(number) {
                world.ledger.reach("observation");
                if kind == ringway::placement::ObservationKind::Unreachable {
                    world.cores.set_health(id, false);
                }
                world
                    .timeline
                    .after(Duration::ZERO, Happening::Told(world.life, Event::Observed { id, kind }));
            }
        }
        Trouble::DiskFull(lasting) => {
            world.ledger.reach("full disk");
            world.disk.fill_until(now + lasting);
        }
        Trouble::Crash(down) => world.crash(down),
        Trouble::Lag(lag, lasting) => {
            world.ledger.reach("slow control thread");
            world.lag = lag;
            world.timeline.after(lasting, Happening::Hurries);
        }
        Trouble::Call(call) => {
            if world.stage != Stage::Down {
                let id = world.operator.call(&call, &world.plans);
                let clock_ms = (now.as_nanos() / 1_000_000) as u32;
                world.tell(Event::Call { id, call, clock_ms });
            }
        }
        Trouble::Edit(edit) => {
            world.ledger.reach("edit");
            apply(&edit, &mut world.file);
        }
        Trouble::Stop(down) => world.shut_down(down),
    }
}

/// Those that are meant.
fn of(all: &[Pid], whom: Whom) -> Vec<Pid> {
    match whom {
        Whom::All => all.to_vec(),
        Whom::One(_) if all.is_empty() => Vec::new(),
        Whom::One(number) => vec![all[(number % all.len() as u64) as usize]],
    }
}

/// What an editor does to the file.
fn apply(edit: &Edit, file: &mut [(ServicePlan, bool)]) {
    for (plan, is_in) in file {
        match (edit, &mut plan.replicas) {
            (Edit::Leave(name), _) if *plan.name == **name => *is_in = false,
            (Edit::Return(name), _) if *plan.name == **name => *is_in = true,
            (Edit::Count(name, to), ReplicasPlan::Owned { count, .. }) if *plan.name == **name => {
                *count = *to
            }
            (Edit::OnExit(to), ReplicasPlan::Owned { supervision, .. }) => supervision.on_exit = *to,
            _ => {}
        }
    }
}
