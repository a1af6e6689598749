//! The peer in the same run: Kamailio as Debian packages it, with accounts in memory, digest
//! REGISTER, and a stateful relay of calls. It routes and no more: it has no audio, no dial plan, no
//! records, so its figure is a floor and not a rival.

use std::fs::{self, File};
use std::io::{self, Error};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::pbx::{Cpu, free_address, scratch};
use crate::sip::Message;

const PATIENCE: Duration = Duration::from_secs(10);

/// A running Kamailio with its children.
pub(crate) struct Kamailio {
    pub(crate) sip: SocketAddr,
    process: Child,
    directory: PathBuf,
}

impl Kamailio {
    /// Starts it; nothing when this machine has none.
    pub(crate) fn start() -> io::Result<Option<Self>> {
        let found = Command::new("kamailio").arg("-v").stdout(Stdio::null()).status();
        if found.is_err() {
            return Ok(None);
        }
        let directory = scratch("kamailio")?;
        let sip = free_address()?;
        let file = directory.join("kamailio.cfg");
        fs::write(&file, CONFIGURATION.replace("ADDRESS", &sip.to_string()))?;
        let said = File::create(directory.join("said"))?;
        let process = Command::new("kamailio")
            .args(["-DD", "-E", "-m", "256", "-M", "16", "-f"])
            .arg(&file)
            .arg("-Y")
            .arg(&directory)
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()?;
        let it = Self { sip, process, directory };
        it.wait_until_ready()?;
        Ok(Some(it))
    }

    /// Processor time of all its processes.
    pub(crate) fn cpu(&self) -> io::Result<Cpu> {
        let mut all = Cpu::of(self.process.id())?;
        for it in self.children()? {
            all = all.and(Cpu::of(it).unwrap_or_default());
        }
        Ok(all)
    }

    fn children(&self) -> io::Result<Vec<u32>> {
        let id = self.process.id();
        let text = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        Ok(text.split_whitespace().filter_map(|it| it.parse().ok()).collect())
    }

    fn wait_until_ready(&self) -> io::Result<()> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let (here, there) = (socket.local_addr()?, self.sip);
        let question = format!(
            "OPTIONS sip:{there} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKready;rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:load@{here}>;tag=1\r\nTo: <sip:{there}>\r\n\
             Call-ID: ready\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        let since = Instant::now();
        let mut answer = [0; 2048];
        while since.elapsed() < PATIENCE {
            _ = socket.send_to(question.as_bytes(), there);
            if let Ok(length) = socket.recv(&mut answer)
                && Message::read(&answer[..length]).is_some_and(|it| it.status() == Some(200))
            {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        let said = fs::read_to_string(self.directory.join("said"))?;
        Err(Error::other(format!("kamailio is not ready; it said:\n{said}")))
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        _ = Command::new("kill").arg(self.process.id().to_string()).status();
        _ = self.process.wait();
        _ = fs::remove_dir_all(&self.directory);
    }
}

/// As many workers as there are cores here that they share with us.
const CONFIGURATION: &str = r#"
debug=0
log_stderror=yes
children=2
auto_aliases=no
disable_tcp=yes
listen=udp:ADDRESS
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("usrloc", "hash_size", 12)
request_route {
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
    if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
    if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
    if (has_totag()) {
        if (is_method("ACK") && t_check_trans()) { t_relay(); exit; }
        t_relay();
        exit;
    }
    t_check_trans();
    $var(secret) = "load-secret-" + $fU;
    if (is_method("REGISTER")) {
        if (!pv_www_authenticate("load", "$var(secret)", "0")) {
            www_challenge("load", "1");
            exit;
        }
        save("location");
        exit;
    }
    if (is_method("INVITE")) {
        if (!pv_proxy_authenticate("load", "$var(secret)", "0")) {
            proxy_challenge("load", "1");
            exit;
        }
        consume_credentials();
        if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
        t_relay();
    }
}
"#;
