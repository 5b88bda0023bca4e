//! inotify on the projects' spool directories: a hint that something changed, never the truth about what.

use crate::house::House;
use inotify::{Inotify, WatchMask, Watches};
use std::sync::Arc;
use std::time::Duration;

/// Time in which further changes are gathered into one look.
const GATHER: Duration = Duration::from_millis(150);

/// The watches; without inotify the regular look at the spool still sees everything, only later.
pub struct Watch {
    watches: Option<Watches>,
}

impl Watch {
    /// Wakes the house whenever something changes in a watched directory. Watches nothing yet.
    pub fn start(house: &Arc<House>) -> Self {
        let start = || -> std::io::Result<Watches> {
            // The descriptor is non-blocking; `read_events_blocking` polls it.
            let mut inotify = Inotify::init()?;
            let watches = inotify.watches();
            let house = Arc::clone(house);
            std::thread::Builder::new().name("inotify".into()).spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(events) = inotify.read_events_blocking(&mut buffer) {
                    drop(events);
                    std::thread::sleep(GATHER);
                    while inotify.read_events(&mut buffer).is_ok_and(|mut events| events.next().is_some()) {}
                    house.look.notify_one();
                }
            })?;
            Ok(watches)
        };
        let watches = start();
        if let Err(e) = &watches {
            tracing::warn!("inotify: {e}; changes are seen at the next regular look");
        }
        Self { watches: watches.ok() }
    }

    /// Watches the projects of the policy in force.
    pub fn follow(&mut self, house: &House) {
        let Some(watches) = &mut self.watches else { return };
        for project in &house.policy().policy.projects {
            let path = house.options.spool.join(&project.id);
            let mask = WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO | WatchMask::CREATE | WatchMask::ONLYDIR;
            if let Err(e) = watches.add(&path, mask) {
                tracing::warn!(
                    project = project.id,
                    "{}: {e}; hint: every project needs its spool directory, owned by sekisho, mode 3770",
                    path.display()
                );
            }
        }
    }
}
