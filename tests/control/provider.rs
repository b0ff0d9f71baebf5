//! The simulated provider, and the processes that outlive every crash of Ringway.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ringway::base::time::Moment;
use ringway::control::machine::event::Event;
use ringway::provider::{Ending, Instance, InstanceId, IntendedPlace, Intent, ProviderEvent, Record};

use crate::ledger::Ledger;
use crate::timeline::{Happening, Life, Timeline};
use crate::trouble::{Birth, Mood};

/// The first port for replicas.
const PORT_FIRST: u16 = 20_000;
/// How many there are.
const PORTS: u64 = 512;
/// Longest delays.
const PREPARE: Duration = Duration::from_millis(5);
const SPAWN: Duration = Duration::from_millis(30);
const REPORT: Duration = Duration::from_millis(5);
const LISTEN: Duration = Duration::from_millis(60);
const SEARCH: Duration = Duration::from_millis(40);
const END: Duration = Duration::from_millis(120);
const KILL: Duration = Duration::from_millis(20);

/// A process's number; none is given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pid(pub(crate) u32);

/// A server that runs.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    /// What it was started as; `None`: somebody else's server.
    pub(crate) instance: Option<Instance>,
    pub(crate) address: SocketAddr,
    pub(crate) listening: bool,
    pub(crate) mood: Mood,
    spell: u64,
    obeys: bool,
    asked: bool,
    /// The life of Ringway that watches it, and when that heard of it.
    watched: Option<(Life, Moment)>,
}

impl Process {
    fn record(&self) -> Record {
        Record::Process { pid: self.pid.0, start_ticks: u64::from(self.pid.0) * 7, boot_id: "boot".into() }
    }
}

/// How processes and the system behave: shares of the starts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    pub(crate) no_port: f64,
    pub(crate) impossible: f64,
    pub(crate) short_lived: f64,
    pub(crate) deaf: f64,
    pub(crate) late: f64,
    pub(crate) stubborn: f64,
}

/// Faults that are planted in the provider.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProviderPlant {
    pub(crate) starts_twice: bool,
    pub(crate) forgets_the_living: bool,
}

/// All processes, and the provider's part of one life of Ringway.
#[derive(Debug, Default)]
pub(crate) struct Provider {
    pub(crate) processes: Vec<Process>,
    pub(crate) manners: Manners,
    pub(crate) plant: ProviderPlant,
    /// How the next starts of a service go, before chance decides.
    pub(crate) births: BTreeMap<Box<str>, VecDeque<Birth>>,
    /// How all starts of a service go.
    pub(crate) always: BTreeMap<Box<str>, Birth>,
    pids: u32,
    spells: u64,
    ports: BTreeMap<InstanceId, u16>,
    starting: Vec<Instance>,
    /// Endings that came before the process.
    early: BTreeMap<InstanceId, Ending>,
    started: BTreeSet<(InstanceId, Box<str>)>,
}

impl Provider {
    /// The processes of replicas that Ringway owns.
    pub(crate) fn owned(&self) -> impl Iterator<Item = (&Process, &Instance)> {
        self.processes.iter().filter_map(|process| Some((process, process.instance.as_ref()?)))
    }

    pub(crate) fn of(&self, id: InstanceId) -> Option<&Process> {
        self.owned().find(|(_, instance)| instance.id == id).map(|(process, _)| process)
    }

    pub(crate) fn at(&self, address: SocketAddr) -> Option<&Process> {
        self.processes.iter().find(|process| process.address == address && process.listening)
    }

    /// Somebody else's server.
    pub(crate) fn add_static(&mut self, address: SocketAddr) {
        let process = self.process(None, address, true);
        self.processes.push(Process { listening: true, ..process });
    }

    fn process(&mut self, instance: Option<Instance>, address: SocketAddr, obeys: bool) -> Process {
        self.pids += 1;
        Process {
            pid: Pid(self.pids),
            instance,
            address,
            listening: false,
            mood: Mood::Well,
            spell: 0,
            obeys,
            asked: false,
            watched: None,
        }
    }

    pub(crate) fn prepare(&mut self, id: InstanceId, life: Life, timeline: &mut Timeline) {
        let taken: BTreeSet<u16> =
            self.ports.values().copied().chain(self.processes.iter().map(|p| p.address.port())).collect();
        let nonce = format!("{:016x}{:016x}", timeline.random.next(), timeline.random.next()).into();
        let first = timeline.random.below(PORTS);
        let free = (0..PORTS)
            .map(|step| PORT_FIRST + ((first + step) % PORTS) as u16)
            .find(|port| !taken.contains(port))
            .filter(|_| !timeline.random.chance(self.manners.no_port));
        let result = match free {
            Some(port) => {
                self.ports.insert(id, port);
                Ok(Intent { nonce, place: IntendedPlace::Process { port } })
            }
            None => Err("no port is free".to_owned()),
        };
        timeline.soon(PREPARE, Happening::Told(life, Event::Prepared { id, result }));
    }

    /// An intent is given back, so that its port is free again.
    pub(crate) fn discard(&mut self, intent: &Intent, timeline: &Timeline, ledger: &mut Ledger) {
        ledger.reach("intent given back");
        if self.started.iter().any(|(_, nonce)| *nonce == intent.nonce) {
            ledger.accuse(timeline.now(), format!("{intent:?} is given back and was started"));
        }
        self.ports.retain(|_, port| Some(*port) != intent.port());
    }

    /// Ports that are taken though nothing listens at them or will.
    pub(crate) fn leaked_ports(&self) -> Vec<u16> {
        let is_used = |port: &u16| self.processes.iter().any(|process| process.address.port() == *port);
        self.ports.values().copied().filter(|port| !is_used(port)).collect()
    }

    pub(crate) fn start(
        &mut self,
        instance: Instance,
        life: Life,
        timeline: &mut Timeline,
        ledger: &mut Ledger,
    ) {
        if !self.started.insert((instance.id, instance.intent.nonce.clone())) {
            ledger.accuse(timeline.now(), format!("{:?} is started twice", instance.id));
        }
        self.starting.push(instance.clone());
        if self.plant.starts_twice {
            timeline.soon(SPAWN, Happening::Spawned(life, instance.clone()));
        }
        timeline.soon(SPAWN, Happening::Spawned(life, instance));
    }

    /// The start is done, or cannot be.
    pub(crate) fn spawn(
        &mut self,
        instance: Instance,
        life: Life,
        timeline: &mut Timeline,
        ledger: &mut Ledger,
    ) {
        self.starting.retain(|starting| starting.id != instance.id);
        let id = instance.id;
        let birth = self.birth(&instance, timeline);
        if birth == Birth::Impossible {
            ledger.reach("impossible start");
            self.ports.remove(&id);
            let reason = "cannot start ./server: No such file or directory".to_owned();
            let event = ProviderEvent::Ended { id, reason, log_tail: Vec::new() };
            return timeline.soon(REPORT, Happening::Told(life, Event::Provider(event)));
        }
        let pid = self.bring_up(instance, birth, timeline, ledger);
        let reported = timeline.now() + timeline.within(REPORT);
        let process = self.processes.last_mut().expect("it was just brought up");
        process.watched = Some((life, reported));
        let (address, record) = (process.address, process.record());
        let event = Event::Provider(ProviderEvent::Started { id, address, record });
        timeline.at(reported, Happening::Told(life, event));
        if let Some(ending) = self.early.remove(&id) {
            self.signal(pid, ending, timeline);
        }
    }

    fn birth(&mut self, instance: &Instance, timeline: &mut Timeline) -> Birth {
        let next = self.births.get_mut(&instance.service).and_then(VecDeque::pop_front);
        if let Some(birth) = next.or_else(|| self.always.get(&instance.service).copied()) {
            return birth;
        }
        let Manners { impossible, short_lived, deaf, late, .. } = self.manners;
        let random = &mut timeline.random;
        if random.chance(impossible) {
            Birth::Impossible
        } else if random.chance(short_lived) {
            Birth::ShortLived(Duration::from_millis(random.below(400)))
        } else if random.chance(deaf) {
            Birth::Deaf
        } else if random.chance(late) {
            Birth::Late(Duration::from_millis(random.below(1_800)))
        } else {
            Birth::Well
        }
    }

    /// A process begins. Here it shows whether there are two of one name.
    fn bring_up(
        &mut self,
        instance: Instance,
        birth: Birth,
        timeline: &mut Timeline,
        ledger: &mut Ledger,
    ) -> Pid {
        let twin = |other: &&Instance| other.service == instance.service && other.name == instance.name;
        if let Some(other) = self.owned().map(|(_, other)| other).find(twin) {
            let (id, other, name) = (instance.id, other.id, &instance.name);
            ledger.accuse(timeline.now(), format!("two living processes of {name}: {other:?} and {id:?}"));
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port_of(&instance)));
        if self.processes.iter().any(|process| process.address == address) {
            ledger.accuse(timeline.now(), format!("two living processes have the address {address}"));
        }
        let obeys = !timeline.random.chance(self.manners.stubborn);
        let process = self.process(Some(instance), address, obeys);
        let pid = process.pid;
        self.processes.push(process);
        match birth {
            Birth::Well => timeline.soon(LISTEN, Happening::Listens(pid)),
            Birth::Late(delay) => timeline.after(delay, Happening::Listens(pid)),
            Birth::ShortLived(delay) => {
                ledger.reach("short-lived process");
                timeline.soon(LISTEN, Happening::Listens(pid));
                timeline.after(delay, Happening::Exits(pid, "exited with code 1"));
            }
            Birth::Deaf => ledger.reach("deaf process"),
            Birth::Impossible => {}
        }
        pid
    }

    pub(crate) fn listen(&mut self, pid: Pid) {
        if let Some(process) = self.processes.iter_mut().find(|process| process.pid == pid) {
            process.listening = true;
        }
    }

    /// A process ignores the signal that asks it to end.
    pub(crate) fn stop_obeying(&mut self, pid: Pid) {
        if let Some(process) = self.processes.iter_mut().find(|process| process.pid == pid) {
            process.obeys = false;
        }
    }

    /// Makes a process feel so; `lasting` of `None` is for ever.
    pub(crate) fn feel(&mut self, pid: Pid, mood: Mood, lasting: Option<Duration>, timeline: &mut Timeline) {
        self.spells += 1;
        let spell = self.spells;
        let Some(process) = self.processes.iter_mut().find(|process| process.pid == pid) else { return };
        (process.mood, process.spell) = (mood, spell);
        if let Some(lasting) = lasting {
            timeline.after(lasting, Happening::Recovers(pid, spell));
        }
    }

    /// A spell is over; a signal that came meanwhile is seen.
    pub(crate) fn recover(&mut self, pid: Pid, spell: u64, timeline: &mut Timeline) {
        let Some(process) = self.processes.iter_mut().find(|process| process.pid == pid) else { return };
        if process.spell == spell {
            process.mood = Mood::Well;
            if process.asked {
                self.signal(pid, Ending::Ask, timeline);
            }
        }
    }

    /// All feel well again.
    pub(crate) fn recover_all(&mut self, timeline: &mut Timeline) {
        let spells: Vec<_> = self.processes.iter().map(|process| (process.pid, process.spell)).collect();
        spells.into_iter().for_each(|(pid, spell)| self.recover(pid, spell, timeline));
    }

    pub(crate) fn end(&mut self, id: InstanceId, ending: Ending, timeline: &mut Timeline) {
        match self.of(id).map(|process| process.pid) {
            Some(pid) => self.signal(pid, ending, timeline),
            None if self.starting.iter().any(|instance| instance.id == id) => {
                self.early.insert(id, ending);
            }
            None => {}
        }
    }

    fn signal(&mut self, pid: Pid, ending: Ending, timeline: &mut Timeline) {
        let Some(process) = self.processes.iter_mut().find(|process| process.pid == pid) else { return };
        match ending {
            Ending::Kill => timeline.soon(KILL, Happening::Exits(pid, "killed by SIGKILL")),
            Ending::Ask => {
                process.asked = true;
                if process.obeys && process.mood != Mood::Silent {
                    timeline.soon(END, Happening::Exits(pid, "exited with code 0"));
                }
            }
        }
    }

    /// A process is gone. The life that watches it hears of that, once, and after it heard of its beginning.
    pub(crate) fn exit(
        &mut self,
        pid: Pid,
        reason: &str,
        life: Life,
        timeline: &mut Timeline,
    ) -> Option<Process> {
        let place = self.processes.iter().position(|process| process.pid == pid)?;
        let process = self.processes.remove(place);
        let id = process.instance.as_ref()?.id;
        self.ports.remove(&id);
        if let Some((watcher, heard)) = process.watched
            && watcher == life
        {
            let moment = (timeline.now() + timeline.within(REPORT)).max(heard);
            let log_tail = vec!["the last line".to_owned()];
            let event = ProviderEvent::Ended { id, reason: reason.to_owned(), log_tail };
            timeline.at(moment, Happening::Told(life, Event::Provider(event)));
        }
        Some(process)
    }

    pub(crate) fn adopt(
        &mut self,
        instance: Instance,
        record: Option<Record>,
        life: Life,
        timeline: &mut Timeline,
    ) {
        self.ports.insert(instance.id, port_of(&instance));
        timeline.soon(SEARCH, Happening::Searched(life, instance, record));
    }

    /// What an adoption finds: the process that carries the nonce, if it lives.
    pub(crate) fn search(
        &mut self,
        instance: &Instance,
        record: Option<&Record>,
        life: Life,
        timeline: &Timeline,
        ledger: &mut Ledger,
    ) -> ProviderEvent {
        let id = instance.id;
        let nonce = &instance.intent.nonce;
        let carries = |process: &&mut Process| {
            process.instance.as_ref().is_some_and(|instance| instance.intent.nonce == *nonce)
        };
        let found = self.processes.iter_mut().find(carries).filter(|_| !self.plant.forgets_the_living);
        let Some(process) = found else {
            self.ports.remove(&id);
            let reason = "not found".to_owned();
            return ProviderEvent::Ended { id, reason, log_tail: Vec::new() };
        };
        ledger.reach(if record.is_some() { "adopted by record" } else { "adopted by nonce" });
        if process.instance.as_ref() != Some(instance) {
            ledger.accuse(timeline.now(), format!("{:?} is adopted as {instance:?}", process.instance));
        }
        if record.is_some_and(|record| *record != process.record()) {
            ledger.accuse(timeline.now(), format!("{id:?} is adopted by the record of another process"));
        }
        process.watched = Some((life, timeline.now()));
        ProviderEvent::Adopted { id, address: process.address, record: process.record() }
    }

    /// Ringway is gone. A start under way has made a process, or has not.
    pub(crate) fn crash(&mut self, timeline: &mut Timeline, ledger: &mut Ledger) {
        self.ports.clear();
        self.early.clear();
        for instance in std::mem::take(&mut self.starting) {
            let birth = self.birth(&instance, timeline);
            if birth != Birth::Impossible && timeline.random.chance(0.5) {
                ledger.reach("started, not recorded");
                self.bring_up(instance, birth, timeline, ledger);
            }
        }
    }
}

/// The port that an instance's intent gives it.
fn port_of(instance: &Instance) -> u16 {
    instance.intent.port().expect("the intent of a process")
}
