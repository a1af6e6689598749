//! The start: everything is read, checked and bound before the node says `ready`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::base::{Rng, Wall};
use crate::call::plan::Generation;
use crate::call::{self, Input, KeptText, KeptWatch, Scripts, Source, Switch};
use crate::config::{Settings, Wrong};
use crate::directory::{Delta, ExtensionId};
use crate::lua::{Limits, LuaPlan};
use crate::media::{Command, Plane};
use crate::rest::{Api, Told};
use crate::sip::defence;
use crate::sip::registrar::{Binding, Kept, Rules};
use crate::sip::subscribe::{self, Package, Topic};
use crate::store::{self, Store};

use super::book::Book;
use super::clock::Clock;
use super::log::Log;
use super::ports::{self, Ports, Skipped};
use super::post::{Post, post};
use super::scripts::{Folder, Found};
use super::signals::Signals;
use super::switch::View;
use super::tcp::{self, CONNECTIONS_MAX, Streams};
use super::tls::{self, Tls};
use super::traces::Traces;
use super::udp::SipSocket;
use super::{data, dns, flows, http, keeper, log, media, prompts, provision, switch, watch};

/// Letters that may wait for the switch. Media threads keep theirs when it is full.
const TO_SWITCH_MAX: usize = 8192;
/// Commands that may wait for a media thread. The switch waits when it is full.
const TO_PLANE_MAX: usize = 4096;
/// One media thread carries thousands of streams; more only where there are cores to spare.
const PLANES_MAX: usize = 8;
/// How often the system may choose a port that is free over UDP alone.
const SAME_PORT_TRIES: usize = 16;
/// What phones see in challenges.
pub(super) const REALM: &str = "moonswitch";
/// When we go after a signal, whatever still runs.
const LEAVING_MAX: Duration = Duration::from_millis(1900);

/// Why we are not there (any more).
#[derive(Debug)]
pub enum Failure {
    /// A setting is wrong.
    Setting(Wrong),
    /// `extensions.toml` is wrong.
    Provision(provision::Error),
    /// This variable holds an access key that would be guessed.
    AdminKey(&'static str),
    /// The store at this path cannot be opened, read or written.
    Store(PathBuf, store::Error),
    /// The scripts are wrong: a line for each problem.
    Scripts(Vec<String>),
    /// The system refused something.
    System {
        /// What we wanted.
        what: String,
        /// What it said.
        error: io::Error,
    },
    /// This thread broke, and told the log why.
    Broken(&'static str),
    /// We were told to go before all calls were ended.
    Hurried,
}

/// Runs until a signal says otherwise.
///
/// # Errors
/// When it cannot start, when a thread breaks, or when a second signal comes.
pub fn serve(settings: &Settings) -> Result<(), Failure> {
    let log = log::start().map_err(system("cannot start a thread"))?;
    std::panic::set_hook(Box::new(|panic| tracing::error!("a bug: {panic}")));
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("cannot start the HTTP runtime"))
        .and_then(|it| it.block_on(run(settings, &log)));
    log.flush();
    result
}

async fn run(settings: &Settings, log: &Log) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(system("cannot listen to signals"))?;
    let mut rng = seeded().map_err(system("cannot read /dev/urandom"))?;
    below_ephemeral(settings, ports::ephemeral_start())?;
    let clock = Clock::start();
    let data = data::open(&settings.data, &mut rng, clock.now().wall)?;
    let folder = user_scripts(settings)?;
    let found = folder.read();

    let tls = Tls::read(settings, clock)?;

    let (socket, listener) = bind_sip(settings.sip)?;
    let sip = socket.bound();
    let (tls_listener, tls_bound) = bind_tls(settings)?.unzip();
    let (hall, threads) = tls.begin(clock, tls_listener)?;
    let mut streams = Streams::new(listener, hall, tls_bound.map_or(0, |it| it.port()))
        .map_err(system("cannot wait for TCP connections"))?;
    let cannot_listen = format!("cannot bind --http {} (TCP)", settings.http);
    let listener = http::bind(settings.http).await.map_err(system(&cannot_listen))?;
    let http = listener.local_addr().map_err(system(&cannot_listen))?;
    let pools = bind_ports(settings)?;
    let files = ports::files_free();
    // Where files are few the door gets some of them all the same, and goes without when they end.
    streams.leave_room(files - files.min(tls::BEFORE_DOOR_MAX as u64).min(files / 8));

    // Each thread writes at most once.
    let (ended, mut endings) = mpsc::channel(PLANES_MAX + 4);
    let (to_switch, mailbox) = post(TO_SWITCH_MAX).map_err(system("cannot make a queue"))?;
    let mut inputs = provisioned(settings, &data.store, clock.now().wall, sip)?;
    let mut planes = Vec::new();
    for (thread, ports) in (0..).zip(pools) {
        inputs.push(Input::Ports { thread, ports: ports.pairs() });
        planes.push(start_plane(ports, to_switch.clone(), clock, rng.fork(), ended.clone())?);
    }
    let own = Some(sip.ip()).filter(|it| !it.is_unspecified());
    let server = settings.advertise.or(own).map(|it| it.to_string());
    let local = data::local_key(&settings.data, &mut rng);
    let api = Api::new(Told { server, port: sip.port() }, local.as_deref());
    let (keeper, desk) = keeper::new(clock, data.store, api, to_switch.clone());
    start_thread("keeper", || keeper::run(desk), tell_failure(ended.clone()))?;
    let view = Arc::new(View::default());
    let traces = Arc::new(Traces::new(settings.trace_bytes));
    let shelf = http::Shelf { view: Arc::clone(&view), traces: Arc::clone(&traces) };
    let (dns, questions) = dns::new(rng.fork());
    let desk = switch::Desk {
        clock,
        socket,
        streams,
        mailbox,
        planes,
        book: Book::new(keeper.clone()),
        counter: keeper.counter(),
        dns,
        found: Vec::new(),
        view,
        traces,
    };
    let told = told(settings)?;
    let beginning = Beginning { told, rng, folder: folder.clone(), found: found.clone(), inputs };
    let generation = start_switch(desk, beginning, ended.clone())?.await;
    let generation = generation.map_err(|_| Failure::Broken("switch"))??;
    let desk = watch::Desk { folder, clock, switch: to_switch.clone() };
    start_thread("door", threads.door, tell_failure(ended.clone()))?;
    start_thread("certificates", threads.reload, tell_failure(ended.clone()))?;
    start_thread("watch", move || watch::run(&desk, found), move |it| _ = ended.try_send(it))?;
    Signals::look_again(threads.bell).map_err(system("cannot listen to signals"))?;

    tokio::spawn(dns::run(questions, to_switch.clone()));
    tokio::spawn(http::serve(listener, shelf, keeper.clone(), clock));
    log.flush();
    let tls = tls_bound.map(|it| format!(" sip-tls={it}")).unwrap_or_default();
    say(&format!("ready sip={sip}{tls} http={http} rtp={} scripts={generation}", settings.rtp));
    tokio::select! {
        Some(ending) = endings.recv() => return ending.and(Err(Failure::Broken("switch"))),
        signal = signals.next() => tracing::info!("{signal}: all calls end now"),
    }
    let ending = tokio::select! {
        never = ask_to_leave(&to_switch) => match never {},
        Some(ending) = endings.recv() => ending,
        _ = signals.next() => Err(Failure::Hurried),
        () = tokio::time::sleep(LEAVING_MAX) => Err(Failure::Hurried),
    };
    keeper.close();
    drop(data.lock);
    ending
}

/// How a thread ended.
type Ending = Result<(), Failure>;

/// What the switch begins with. Its scripts' states never leave its thread, so it is made there.
struct Beginning {
    told: call::Settings,
    rng: Rng,
    folder: Folder,
    found: Found,
    inputs: Vec<Input>,
}

fn start_switch(
    desk: switch::Desk,
    beginning: Beginning,
    ended: mpsc::Sender<Ending>,
) -> Result<oneshot::Receiver<Result<Generation, Failure>>, Failure> {
    let (loaded, generation) = oneshot::channel();
    let work = move || {
        let Beginning { told, rng, folder, found, inputs } = beginning;
        let mut switch = Switch::new(told, rng, LuaPlan::new(Limits::default()));
        let scripts = Scripts { source: Source::Start, files: found };
        let mut out = Vec::new();
        let now = desk.clock.now();
        match switch.start(now, scripts, &mut out) {
            Ok(generation) => {
                // Who hears that we are ready finds everything that is provisioned.
                for input in inputs {
                    switch.handle(now, input, &mut out);
                }
                desk.view.publish(switch.loads());
                desk.view.count(switch.census());
                _ = loaded.send(Ok(generation));
                switch::run(desk, switch, out)
            }
            Err(problems) => {
                let lines = problems.iter().map(|it| folder.describe(it)).collect();
                _ = loaded.send(Err(Failure::Scripts(lines)));
                Ok(())
            }
        }
    };
    start_thread("switch", work, move |ending| _ = ended.try_send(ending))?;
    Ok(generation)
}

fn start_plane(
    ports: Ports,
    switch: Post<Input>,
    clock: Clock,
    rng: Rng,
    ended: mpsc::Sender<Ending>,
) -> Result<Post<Command>, Failure> {
    let (post, mailbox) = post(TO_PLANE_MAX).map_err(system("cannot make a queue"))?;
    let desk = media::Desk { clock, ports, mailbox, switch };
    let work = move || media::run(desk, Plane::new(rng));
    start_thread("media", work, tell_failure(ended))?;
    Ok(post)
}

/// Planes and keeper end in order when the switch has ended, which then tells why.
fn tell_failure(ended: mpsc::Sender<Ending>) -> impl FnOnce(Ending) + Send + 'static {
    move |ending| {
        if ending.is_err() {
            _ = ended.try_send(ending);
        }
    }
}

/// Starts a thread whose end, a panic too, is told.
fn start_thread(
    name: &'static str,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
    tell: impl FnOnce(Ending) + Send + 'static,
) -> Result<(), Failure> {
    let work = move || match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => tell(Ok(())),
        Ok(Err(e)) => {
            tracing::error!("the {name} thread cannot go on: {e}");
            tell(Err(Failure::Broken(name)));
        }
        Err(_) => tell(Err(Failure::Broken(name))),
    };
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map(drop).map_err(system("cannot start a thread"))
}

/// The queue may be full of a storm; we ask until there is room, and then wait.
async fn ask_to_leave(switch: &Post<Input>) -> Infallible {
    while switch.put(Input::Shutdown).is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    switch.ring();
    std::future::pending().await
}

/// What the store and the data directory hold for the switch to begin with.
fn provisioned(
    settings: &Settings,
    store: &Store,
    now: Wall,
    bound: SocketAddr,
) -> Result<Vec<Input>, Failure> {
    let about = |error| Failure::Store(settings.data.clone(), error);
    let extensions = store.read().directory().map_err(about)?;
    let trunks = store.read().all_trunks().map_err(about)?;
    let phones = store.read().registrations(now).map_err(about)?;
    let prompts = prompts::read(&settings.data.join("sounds"));
    tracing::info!(
        "{} extensions, {} phones, {} sounds",
        extensions.len(),
        phones.len(),
        prompts.len()
    );
    let numbers: BTreeMap<ExtensionId, String> =
        extensions.iter().map(|it| (it.id, it.number.to_string())).collect();
    let mut inputs: Vec<Input> =
        prompts.into_iter().map(Delta::Prompt).map(Input::Directory).collect();
    inputs.extend(extensions.into_iter().map(|it| Input::Directory(Delta::Extension(it))));
    inputs.extend(trunks.into_iter().map(|it| Input::Directory(Delta::Trunk(Box::new(it)))));
    inputs.extend(phones.into_iter().filter_map(|it| {
        let flow = flows::read(&it.flow, bound)?;
        Some(Input::Restored(Kept {
            aor: numbers.get(&it.extension)?.clone(),
            binding: Binding { contact: it.contact, flow },
            instance: it.instance,
            call_id: it.call_id,
            cseq: it.cseq,
            left: Duration::from_micros(it.expires.0.saturating_sub(now.0)),
        }))
    }));
    let watches = store.read().subscriptions(now).map_err(about)?;
    inputs.extend(watches.into_iter().filter_map(|it| {
        let subscriber = numbers.get(&it.extension)?.clone();
        let package = Package::of(&it.package)?;
        let (resource, entity, id) = (it.resource, it.entity, it.event_id);
        Some(Input::Watched(KeptWatch {
            subscriber,
            kept: subscribe::Kept {
                topic: Topic { package, resource, entity, id },
                dialog: it.dialog,
                flow: flows::read(&it.flow, bound)?,
                version: it.version,
                left: Duration::from_micros(it.expires.0.saturating_sub(now.0)),
            },
        }))
    }));
    let texts = store.read().texts().map_err(about)?;
    inputs.extend(texts.into_iter().map(|it| {
        Input::Text(KeptText {
            id: it.id,
            tenant: it.tenant,
            extension: it.extension,
            from: it.from,
            from_name: it.from_name,
            at: it.at,
            kind: it.kind,
            body: it.body.into(),
        })
    }));
    Ok(inputs)
}

/// What the switch is told of the settings.
fn told(settings: &Settings) -> Result<call::Settings, Failure> {
    let (expires_min, expires_max) = (settings.expires_min, settings.expires_max);
    if expires_min > expires_max {
        let want = format!("at most the {expires_max} of --expires-max");
        let wrong = settings.wrong("expires-min", expires_min.to_string(), want);
        return Err(Failure::Setting(wrong));
    }
    let limits = defence::Limits {
        stranger_rate: settings.stranger_rate,
        source_rate: settings.source_rate,
        register_rate: settings.register_rate,
        call_rate: settings.call_rate,
        calls: settings.calls_per_extension,
        connections: usize::try_from(settings.connections_per_extension).unwrap_or(usize::MAX),
        drop_scanners: settings.drop_scanners,
    };
    let rules = Rules { expires_min, expires_max, keep_alive: settings.keep_alive };
    let (realm, advertise) = (REALM.to_owned(), settings.advertise);
    let trunk_calls = usize::try_from(settings.trunk_calls_per_extension).unwrap_or(usize::MAX);
    let is_v6 = settings.sip.is_ipv6();
    Ok(call::Settings { realm, advertise, is_v6, trunk_calls, limits, rules })
}

/// The user's directory of scripts.
pub(super) fn user_scripts(settings: &Settings) -> Result<Folder, Failure> {
    let folder = Folder::of(settings);
    if folder.is_missed() {
        let (value, want) = (folder.path().display().to_string(), "a directory that exists");
        return Err(Failure::Setting(settings.wrong("scripts", value, want.to_owned())));
    }
    Ok(folder)
}

/// Ports that the system gives to others as it likes are not ours to promise.
fn below_ephemeral(settings: &Settings, ephemeral: u16) -> Result<(), Failure> {
    if settings.rtp.high < ephemeral {
        return Ok(());
    }
    let want = format!("ports below {ephemeral}, where this system's ephemeral ports begin");
    Err(Failure::Setting(settings.wrong("rtp", settings.rtp.to_string(), want)))
}

/// Binds UDP and TCP to the same port.
fn bind_sip(at: SocketAddr) -> Result<(SipSocket, TcpListener), Failure> {
    let cannot = |transport| format!("cannot bind --sip {at} ({transport})");
    let mut tries = SAME_PORT_TRIES;
    loop {
        let socket = SipSocket::bind(at).map_err(system(&cannot("UDP")))?;
        match tcp::listen(socket.bound()) {
            Ok(listener) => return Ok((socket, listener)),
            // A port that the system chose may be another's over TCP.
            Err(_) if at.port() == 0 && tries > 0 => tries -= 1,
            Err(error) => return Err(system(&cannot("TCP"))(error)),
        }
    }
}

/// Binds the port of TLS, if there is to be one.
fn bind_tls(settings: &Settings) -> Result<Option<(TcpListener, SocketAddr)>, Failure> {
    let Some(at) = settings.sip_tls() else { return Ok(None) };
    let bound = tcp::listen(at).and_then(|it| it.local_addr().map(|at| (it, at)));
    bound.map(Some).map_err(system(&format!("cannot bind --sip-tls {at} (TCP; off does without)")))
}

fn bind_ports(settings: &Settings) -> Result<Vec<Ports>, Failure> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut pairs: Vec<u16> = settings.rtp.pairs().collect();
    let connections = CONNECTIONS_MAX + tls::BEFORE_DOOR_MAX;
    let room = ports::make_room_for(pairs.len() * 2, connections) / 2;
    if room < pairs.len() {
        tracing::warn!("--rtp {}: the limit of open files leaves {room} pairs", settings.rtp);
        pairs.truncate(room);
    }
    let dealt = ports::deal(&pairs, (cores / 2).clamp(1, PLANES_MAX));
    let mut skipped = Skipped::default();
    let bind = |pairs: &Vec<u16>| Ports::bind(settings.sip.ip(), pairs, &mut skipped);
    let pools: Vec<_> = dealt.iter().map(bind).collect();
    let Some((port, error)) = skipped.first else { return Ok(pools) };
    if pools.iter().all(|it| it.pairs().is_empty()) {
        return Err(Failure::System { what: format!("cannot bind --rtp {}", settings.rtp), error });
    }
    tracing::warn!("--rtp {}: {} pairs left out; {port}: {error}", settings.rtp, skipped.count);
    Ok(pools)
}

/// A generator that nobody can foresee.
fn seeded() -> io::Result<Rng> {
    let mut secret = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut secret)?;
    Ok(Rng::from_secret(secret))
}

/// Says a line to whoever started us; if nobody listens, that is no reason to end.
pub(super) fn say(line: &str) {
    let mut stdout = io::stdout().lock();
    _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

pub(super) fn system(what: &str) -> impl FnOnce(io::Error) -> Failure {
    let what = what.to_owned();
    move |error| Failure::System { what, error }
}

impl Failure {
    /// Whether something that people wrote is to be changed.
    pub const fn is_setting(&self) -> bool {
        matches!(self, Self::Setting(_) | Self::Provision(_) | Self::Scripts(_) | Self::AdminKey(_))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(it) => it.fmt(f),
            Self::Provision(it) => it.fmt(f),
            Self::AdminKey(variable) => write!(
                f,
                "{variable} is too easily guessed: it wants 20 to 256 letters, digits and signs, \
                 8 of them different"
            ),
            Self::Store(file, error) => write!(f, "{}: {error}", file.display()),
            Self::Scripts(problems) => f.write_str(&problems.join("\n")),
            Self::System { what, error } => write!(f, "{what}: {error}"),
            Self::Broken(thread) => write!(f, "the {thread} thread broke; the log says why"),
            Self::Hurried => f.write_str("ended before all calls were"),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn audio_ports_lie_below_the_ephemeral_ones() {
        let settings = config::Draft::default().settle().unwrap();
        assert!(below_ephemeral(&settings, 32_768).is_ok());
        let failure = below_ephemeral(&settings, 20_479).unwrap_err();
        assert!(failure.is_setting());
        assert!(failure.to_string().contains("--rtp \"16384-20479\""), "{failure}");
    }

    #[test]
    fn the_shortest_registration_is_no_longer_than_the_longest() {
        let mut draft = config::Draft::default();
        draft.flags(["--expires-min=700", "--expires-max=600"].map(String::from));
        let failure = told(&draft.settle().unwrap()).unwrap_err();
        assert!(failure.is_setting());
        assert!(failure.to_string().contains("--expires-min \"700\""), "{failure}");
    }

    #[test]
    fn a_panic_of_a_thread_is_told() {
        let (tell, told) = std::sync::mpsc::channel();
        start_thread("media", || panic!("on purpose"), move |it| tell.send(it).unwrap()).unwrap();
        assert!(matches!(told.recv(), Ok(Err(Failure::Broken("media")))));
    }
}
