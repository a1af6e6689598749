//! Registrations at a fixed rate, each challenged: two transactions.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::sent::{LIMIT, NAP, RESEND};
use crate::sip::{Account, Message, with_body};

/// What came of it.
pub(crate) struct Done {
    /// One line for each unit that failed.
    pub(crate) failures: Vec<String>,
    /// Requests sent again.
    pub(crate) resent: usize,
}

/// Registers `units` times at `rate`, the accounts in turn.
pub(crate) fn run(
    pbx: SocketAddr,
    socket: &UdpSocket,
    accounts: &[Account],
    rate: u32,
    units: usize,
) -> io::Result<Done> {
    socket.set_nonblocking(true)?;
    let here = socket.local_addr()?;
    let began = Instant::now();
    let mut open: HashMap<usize, Unit> = HashMap::new();
    let mut done = Done { failures: Vec::new(), resent: 0 };
    let mut next = 0;
    let mut buffer = [0; 4096];
    while next < units || !open.is_empty() {
        while next < units && began.elapsed() >= Duration::from_secs(1) * next as u32 / rate {
            let account = &accounts[next % accounts.len()];
            let request = register(account, pbx, here, next, 1, "");
            socket.send_to(request.as_bytes(), pbx)?;
            open.insert(next, Unit { account, request, began: Instant::now(), tries: 1 });
            next += 1;
        }
        while let Ok((len, _)) = socket.recv_from(&mut buffer) {
            let Some(message) = Message::read(&buffer[..len]) else { continue };
            answer(&message, pbx, socket, &mut open, &mut done)?;
        }
        for it in open.values_mut().filter(|it| it.began.elapsed() > RESEND * it.tries) {
            socket.send_to(it.request.as_bytes(), pbx)?;
            it.tries += 1;
            done.resent += 1;
        }
        open.retain(|n, it| {
            let late = it.began.elapsed() > LIMIT;
            if late {
                done.failures.push(format!("registration {n}: no answer"));
            }
            !late
        });
        thread::sleep(NAP);
    }
    Ok(done)
}

struct Unit<'a> {
    account: &'a Account,
    request: String,
    began: Instant,
    tries: u32,
}

fn answer(
    message: &Message,
    pbx: SocketAddr,
    socket: &UdpSocket,
    open: &mut HashMap<usize, Unit<'_>>,
    done: &mut Done,
) -> io::Result<()> {
    let Some(status) = message.status() else {
        let reply = message.reply("200 OK", "load", "", "");
        return socket.send_to(reply.as_bytes(), pbx).map(drop);
    };
    let unit = message.header("call-id").rsplit('-').next().and_then(|it| it.parse().ok());
    let Some((n, it)) = unit.and_then(|n| open.get_mut(&n).map(|it| (n, it))) else {
        return Ok(());
    };
    let (cseq, _) = message.cseq();
    match (status, cseq) {
        (100..=199, _) => {}
        (401, 1) if it.request.contains("CSeq: 1 ") => {
            let Account { number, password } = it.account;
            let uri = format!("sip:{pbx}");
            if let Some(auth) = message.authorize(number, password, "REGISTER", &uri) {
                it.request = register(it.account, pbx, socket.local_addr()?, n, 2, &auth);
                (it.began, it.tries) = (Instant::now(), 1);
                socket.send_to(it.request.as_bytes(), pbx)?;
            }
        }
        (_, 1) if it.request.contains("CSeq: 2 ") => {} // The challenge again.
        (200..=299, 2) => _ = open.remove(&n),
        _ => {
            done.failures.push(format!("registration {n}: {}", message.first()));
            open.remove(&n);
        }
    }
    Ok(())
}

fn register(
    account: &Account,
    pbx: SocketAddr,
    here: SocketAddr,
    unit: usize,
    cseq: u32,
    auth: &str,
) -> String {
    let number = &account.number;
    let port = here.port();
    with_body(
        format!(
            "REGISTER sip:{pbx} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {here};branch=z9hG4bKload-r{port}-{unit}-{cseq};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{number}@{pbx}>;tag=r{port}-{unit}\r\n\
             To: <sip:{number}@{pbx}>\r\n\
             Call-ID: register-{port}-{unit}\r\n\
             CSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{number}@{here}>\r\n\
             Expires: 3600\r\n{auth}"
        ),
        "",
    )
}
