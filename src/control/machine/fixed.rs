//! A service whose replicas somebody else starts: they are watched, and that is all.

use std::net::SocketAddr;

use super::context::Context;
use super::detector::{Detector, WatchRule};
use super::event::{Heartbeat, Members};
use super::plan::{ServicePlan, StaticReplica};
use super::replica::state_of;
use super::timers::Place;
use crate::base::algorithm::Algorithm;
use crate::control::view::{ReplicaView, ServiceView};
use crate::placement::{Member, ObservationKind, PlacementError, ReplicaSpec, Table};
use crate::provider::InstanceId;

/// One service.
#[derive(Debug)]
pub(super) struct FixedService {
    name: Box<str>,
    algorithm: Algorithm,
    watch: WatchRule,
    index: usize,
    replicas: Vec<Fixed>,
}

#[derive(Debug)]
struct Fixed {
    id: InstanceId,
    name: Box<str>,
    ordinal: u32,
    address: SocketAddr,
    weight: u32,
    detector: Detector,
}

impl FixedService {
    /// Its replicas count as up until something says otherwise.
    ///
    /// # Errors
    /// When the placement does not take them.
    pub(super) fn open(
        plan: &ServicePlan,
        replicas: &[StaticReplica],
        index: usize,
        ctx: &mut Context,
    ) -> Result<Self, PlacementError> {
        let watch = WatchRule::of(plan.heartbeat.as_ref());
        let replicas: Vec<Fixed> = replicas
            .iter()
            .zip(1_u32..)
            .map(|(replica, ordinal)| Fixed::open(replica, ordinal, &watch, index, ctx))
            .collect();
        let members: Vec<Member<'_>> = replicas.iter().map(Fixed::member).collect();
        Table::build(&plan.algorithm, &members)
            .map_err(|fault| PlacementError { service: plan.name.clone(), fault })?;
        Ok(FixedService { name: plan.name.clone(), algorithm: plan.algorithm, watch, index, replicas })
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn with(
        &mut self,
        number: u64,
        ctx: &mut Context,
        act: impl FnOnce(&mut Fixed, &WatchRule, &mut Context),
    ) {
        let place = Place { service: self.index, replica: number };
        let replica = usize::try_from(number).ok().and_then(|index| self.replicas.get_mut(index));
        if let Some(replica) = replica {
            act(replica, &self.watch, ctx);
            ctx.timers.set(place, replica.detector.deadline());
        }
    }

    /// A replica's deadline has come.
    pub(super) fn on_time(&mut self, number: u64, ctx: &mut Context) {
        self.with(number, ctx, |replica, rule, ctx| {
            if replica.detector.beat(rule, ctx.now) {
                ctx.beat(replica.id, replica.address, rule);
            }
        });
    }

    /// A core saw something of a replica.
    pub(super) fn observed(&mut self, number: u64, kind: ObservationKind, ctx: &mut Context) {
        self.with(number, ctx, |replica, rule, ctx| replica.detector.observe(kind, rule, ctx.now));
    }

    /// A heartbeat is over.
    pub(super) fn heartbeat(&mut self, number: u64, beat: &Heartbeat, ctx: &mut Context) {
        let service = self.name.clone();
        self.with(number, ctx, |replica, rule, ctx| {
            let verdict = replica.detector.report(beat, rule, ctx.now);
            ctx.judge(verdict, beat, &service, &replica.name);
        });
    }

    /// For a snapshot.
    pub(super) fn members(&self) -> Members {
        Members { service: self.name.clone(), replicas: self.replicas.iter().map(Fixed::spec).collect() }
    }

    /// For the operator's eyes.
    pub(super) fn view(&self) -> ServiceView {
        ServiceView {
            name: self.name.clone(),
            provider: "static",
            algorithm: self.algorithm,
            replicas: self.replicas.iter().map(|replica| replica.view(&self.watch)).collect(),
        }
    }
}

impl Fixed {
    fn open(
        replica: &StaticReplica,
        ordinal: u32,
        watch: &WatchRule,
        service: usize,
        ctx: &mut Context,
    ) -> Self {
        let place = Place { service, replica: u64::from(ordinal - 1) };
        let detector = Detector::new(watch, 0, ctx.now, &mut ctx.random);
        ctx.timers.set(place, detector.deadline());
        let StaticReplica { name, address, weight } = replica.clone();
        Fixed { id: ctx.draw(place), name, ordinal, address, weight, detector }
    }

    fn member(&self) -> Member<'_> {
        Member { name: &self.name, ordinal: self.ordinal, weight: self.weight }
    }

    fn spec(&self) -> ReplicaSpec {
        ReplicaSpec {
            name: self.name.clone(),
            ordinal: self.ordinal,
            incarnation: self.id.0,
            address: Some(self.address),
            weight: self.weight,
        }
    }

    fn view(&self, watch: &WatchRule) -> ReplicaView {
        ReplicaView {
            name: self.name.clone(),
            ordinal: self.ordinal,
            incarnation: self.id.0,
            state: state_of(self.detector.standing(watch)),
            member: true,
            address: Some(self.address),
            runs_as: None,
            restarts: 0,
            missed_heartbeats: self.detector.misses(),
            next_start_ms: None,
            last_failure: None,
        }
    }
}
