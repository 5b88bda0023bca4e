//! Threads that help with one file. Who asks works as well, so that no thread is needed and none waits for nothing.
//!
//! Threads look; they decide nothing. What they looked at is taken in order, so that the answer does not depend on
//! how many there are, or on which was quick.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

type Task = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    tasks: Mutex<(VecDeque<Task>, bool)>,
    news: Condvar,
}

/// The threads. They end when this is dropped.
#[derive(Default)]
pub struct Crew {
    queue: Arc<Queue>,
}

/// Something that is being worked on.
pub struct Pending<T>(Receiver<T>);

/// Most threads beside the one that asks.
const MOST: usize = 3;
/// Stack of a thread.
const STACK: usize = 512 << 10;

/// How many threads are of use on this machine.
pub fn useful() -> usize {
    std::thread::available_parallelism().map_or(0, |n| n.get() - 1).min(MOST)
}

impl Crew {
    /// Starts `hands` threads, each of which prepares itself before anything else. A thread that the machine refuses
    /// is done without; one that cannot prepare itself is an error.
    pub fn start<E: Send + 'static>(
        hands: usize,
        prepare: impl Fn() -> Result<(), E> + Clone + Send + 'static,
    ) -> Result<Self, E> {
        let crew = Self::default();
        for _ in 0..hands {
            let (queue, prepare) = (Arc::clone(&crew.queue), prepare.clone());
            let (tell, told) = sync_channel(1);
            let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || {
                let ready = prepare();
                let go = ready.is_ok();
                if tell.send(ready).is_ok() && go {
                    queue.work();
                }
            });
            if thread.is_err() {
                break;
            }
            if let Ok(ready) = told.recv() {
                ready?;
            }
        }
        Ok(crew)
    }

    /// Lets somebody work on it.
    pub fn give<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Pending<T> {
        let (tell, told) = sync_channel(1);
        let task: Task = Box::new(move || {
            let done = work();
            let _ = tell.send(done);
        });
        self.queue.lock().0.push_back(task);
        self.queue.news.notify_one();
        Pending(told)
    }

    /// What came of it; meanwhile lends a hand. `None`: whoever worked on it did not get to the end.
    pub fn take<T>(&self, pending: &Pending<T>) -> Option<T> {
        loop {
            match pending.0.try_recv() {
                Ok(done) => return Some(done),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            let task = self.queue.lock().0.pop_front();
            match task {
                Some(task) => task(),
                // Somebody is at it.
                None => return pending.0.recv().ok(),
            }
        }
    }
}

impl Queue {
    fn lock(&self) -> std::sync::MutexGuard<'_, (VecDeque<Task>, bool)> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut queue = self.lock();
        while !queue.1 {
            match queue.0.pop_front() {
                Some(task) => {
                    drop(queue);
                    task();
                    queue = self.lock();
                }
                None => queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.queue.lock().1 = true;
        self.queue.news.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_given_is_done_however_many_there_are() {
        for hands in 0..4 {
            let crew = Crew::start(hands, || Ok::<(), ()>(())).unwrap();
            let pending: Vec<_> = (0..100_u64).map(|n| crew.give(move || n * n)).collect();
            let done: Vec<_> = pending.iter().map(|p| crew.take(p)).collect();
            assert_eq!(done, (0..100_u64).map(|n| Some(n * n)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_thread_that_cannot_prepare_itself_is_an_error() {
        assert!(Crew::start(1, || Err("no filter")).is_err());
    }

    #[test]
    fn work_that_panics_is_known_to_be_lost() {
        let crew = Crew::start(1, || Ok::<(), ()>(())).unwrap();
        let (begun, wait) = sync_channel::<()>(0);
        let lost = crew.give(move || {
            let _ = begun.send(());
            std::panic::resume_unwind(Box::new(()));
        });
        // The thread has it: this one would unwind, too.
        wait.recv().unwrap();
        assert_eq!(crew.take::<()>(&lost), None);
    }
}
