//! How late a relayed packet is. Few packets come at a time, each says when it left, and a thread
//! that does nothing else waits for it; the same without the relay between is shown beside it.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::calls::Route;
use crate::media::{Sockets, Stream};

/// How late packets were, sorted.
pub(crate) struct Late(Vec<Duration>);

impl Late {
    pub(crate) fn percentile(&self, of_hundred: usize) -> f64 {
        let at = (self.0.len() * of_hundred / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(f64::NAN, |it| it.as_secs_f64() * 1e3)
    }

    pub(crate) fn packets(&self) -> usize {
        self.0.len()
    }
}

/// Callers talk at `rate` packets a second together; their callees listen.
pub(crate) fn through(
    routes: &[Route],
    media: &Sockets,
    rate: u32,
    seconds: u32,
) -> io::Result<Late> {
    let callers = (0..routes.len()).map(|it| (media.caller_socket(it), routes[it].caller));
    let ears = (0..media.len()).map(|it| media.callee_socket(it).try_clone());
    measure(&callers.collect::<Vec<_>>(), ears.collect::<io::Result<_>>()?, rate, seconds)
}

/// The same packets straight to a socket of ours.
pub(crate) fn straight(media: &Sockets, rate: u32, seconds: u32) -> io::Result<Late> {
    let ear = media.callee_socket(0);
    let callers = [(media.caller_socket(0), ear.local_addr()?)];
    measure(&callers, vec![ear.try_clone()?], rate, seconds)
}

fn measure(
    callers: &[(&UdpSocket, SocketAddr)],
    ears: Vec<UdpSocket>,
    rate: u32,
    seconds: u32,
) -> io::Result<Late> {
    let began = Instant::now();
    let over = Arc::new(AtomicBool::new(false));
    let listeners: Vec<_> = ears
        .into_iter()
        .map(|ear| {
            let over = Arc::clone(&over);
            thread::spawn(move || listen(&ear, began, &over))
        })
        .collect();
    let mut streams: Vec<_> = (0..callers.len()).map(|it| Stream::new(it as u32 * 2)).collect();
    for n in 0..(rate * seconds) as usize {
        let at = began + Duration::from_secs(1) * n as u32 / rate;
        thread::sleep(at.saturating_duration_since(Instant::now()));
        let (socket, to) = callers[n % callers.len()];
        socket.send_to(streams[n % callers.len()].stamped(began.elapsed()), to)?;
    }
    thread::sleep(Duration::from_millis(300));
    over.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for it in listeners {
        all.extend(it.join().map_err(|_| io::Error::other("a listener broke"))??);
    }
    all.sort_unstable();
    Ok(Late(all))
}

fn listen(ear: &UdpSocket, began: Instant, over: &AtomicBool) -> io::Result<Vec<Duration>> {
    // It is a copy of a socket that others read without waiting, so it cannot be waited for itself.
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    epoll.add(ear, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
    let mut late = Vec::new();
    let mut buffer = [0; 2048];
    while !over.load(Ordering::Relaxed) {
        epoll.wait(&mut [EpollEvent::empty()], EpollTimeout::from(50_u8))?;
        while let Ok(length) = ear.recv(&mut buffer) {
            let now = began.elapsed();
            late.extend(Stream::stamp(&buffer[..length]).map(|it| now.saturating_sub(it)));
        }
    }
    Ok(late)
}
