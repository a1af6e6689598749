//! Bounded post between threads that sleep on file descriptors: a queue, and a bell (an eventfd)
//! that wakes the reader. Letters are put first and the bell is rung once for all of them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// The end that writes. The bell rings when the last copy is dropped.
#[derive(Debug)]
pub(super) struct Post<T> {
    queue: Option<SyncSender<T>>,
    bell: Arc<EventFd>,
}

/// The end that reads.
#[derive(Debug)]
pub(super) struct Mailbox<T> {
    queue: Receiver<T>,
    bell: Arc<EventFd>,
}

/// What a reader finds.
#[derive(Debug)]
pub(super) enum Letter<T> {
    /// A letter.
    Came(T),
    /// Nothing now.
    Empty,
    /// Nothing, and nobody is left who could write.
    Over,
}

/// A queue of at most `bound` letters.
pub(super) fn post<T>(bound: usize) -> io::Result<(Post<T>, Mailbox<T>)> {
    let (sender, receiver) = sync_channel(bound);
    let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
    let bell = Arc::new(EventFd::from_value_and_flags(0, flags)?);
    let post = Post { queue: Some(sender), bell: Arc::clone(&bell) };
    Ok((post, Mailbox { queue: receiver, bell }))
}

impl<T> Post<T> {
    /// Puts a letter without waiting; gives it back when the queue is full. A letter to a reader
    /// that is gone vanishes.
    pub(super) fn put(&self, letter: T) -> Result<(), T> {
        let Some(queue) = &self.queue else { return Ok(()) };
        match queue.try_send(letter) {
            Err(TrySendError::Full(letter)) => Err(letter),
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }

    /// Puts a letter, and waits for the reader when the queue is full.
    pub(super) fn put_patiently(&self, letter: T) {
        let Err(letter) = self.put(letter) else { return };
        // The reader may sleep on letters that it was not told of yet.
        self.ring();
        if let Some(queue) = &self.queue {
            _ = queue.send(letter);
        }
    }

    /// Wakes the reader.
    pub(super) fn ring(&self) {
        // It can only fail when the counter is full, and then the bell rings already.
        _ = self.bell.write(1);
    }
}

impl<T> Clone for Post<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), bell: Arc::clone(&self.bell) }
    }
}

impl<T> Drop for Post<T> {
    fn drop(&mut self) {
        // First the queue, so that a reader who is woken finds that it is over.
        self.queue = None;
        self.ring();
    }
}

impl<T> Mailbox<T> {
    /// Takes the next letter.
    pub(super) fn take(&self) -> Letter<T> {
        match self.queue.try_recv() {
            Ok(letter) => Letter::Came(letter),
            Err(TryRecvError::Empty) => Letter::Empty,
            Err(TryRecvError::Disconnected) => Letter::Over,
        }
    }

    /// Silences the bell. Done before the letters are taken, so that none is overheard.
    pub(super) fn hush(&self) {
        _ = self.bell.read();
    }

    /// What becomes readable when the bell rings.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_gives_the_letter_back() {
        let (post, mailbox) = post(1).unwrap();
        assert_eq!(post.put('a'), Ok(()));
        assert_eq!(post.put('b'), Err('b'));
        assert!(matches!(mailbox.take(), Letter::Came('a')));
        assert_eq!(post.put('c'), Ok(()));
    }

    #[test]
    fn the_reader_learns_that_nobody_is_left_to_write() {
        let (post, mailbox) = post::<u8>(4).unwrap();
        let other = post.clone();
        drop(post);
        assert!(matches!(mailbox.take(), Letter::Empty));
        drop(other);
        assert!(matches!(mailbox.take(), Letter::Over));
    }

    #[test]
    fn a_patient_writer_waits_for_a_sleeping_reader() {
        let (post, mailbox) = post(1).unwrap();
        let writer = std::thread::spawn(move || (0..100).for_each(|it| post.put_patiently(it)));
        let mut read = Vec::new();
        loop {
            match mailbox.take() {
                Letter::Came(it) => read.push(it),
                Letter::Empty => std::thread::yield_now(),
                Letter::Over => break,
            }
        }
        writer.join().unwrap();
        assert_eq!(read, (0..100).collect::<Vec<_>>());
    }
}
