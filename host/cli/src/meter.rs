//! Progress of long operations: a bar on a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::printer::{Figures, Printer};

/// The largest number of times that a bar is drawn in a second.
const DRAWS_PER_SECOND: u8 = 10;
/// The time between two lines of progress if there is no bar.
const SILENCE: Duration = Duration::from_secs(5);

/// Shows how far something is, until it is finished or dropped. Who wants quiet sees nothing.
pub(super) struct Meter {
    bar: Option<ProgressBar>,
    pulse: Mutex<Option<Pulse>>,
}

impl Meter {
    /// A bar of that length by a template of indicatif; where there is no terminal, lines with
    /// the text and the figures that `so_far` gives each time, if it gives anything.
    pub(super) fn new(
        printer: &Printer,
        length: u64,
        template: &str,
        so_far: impl Fn() -> Option<(String, Figures)> + Send + 'static,
    ) -> Self {
        let draws = printer.draws() && std::io::stderr().is_terminal();
        let bar = draws.then(|| bar(length, template));
        let speaks = !printer.is_quiet() && !draws;
        let printer = *printer;
        let say = move |text: &str, figures| printer.progress(text, figures);
        let pulse = speaks.then(|| Pulse::new(SILENCE, so_far, say));
        Self {
            bar,
            pulse: Mutex::new(pulse),
        }
    }

    /// The bar, if there is one.
    pub(super) fn bar(&self) -> Option<&ProgressBar> {
        self.bar.as_ref()
    }

    /// Takes the bar away; nothing is said any more.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        drop(
            self.pulse
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.finish();
    }
}

fn bar(length: u64, template: &str) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
    let bar = ProgressBar::with_draw_target(Some(length), target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// A thread that speaks now and then, until it is dropped.
struct Pulse {
    /// Closed when it is over.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Pulse {
    fn new(
        every: Duration,
        so_far: impl Fn() -> Option<(String, Figures)> + Send + 'static,
        say: impl Fn(&str, Figures) + Send + 'static,
    ) -> Self {
        let (end, ended) = channel::<()>();
        let thread = thread::spawn(move || {
            // Nobody sends anything: the other end closes when it is over.
            while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                if let Some((text, figures)) = so_far() {
                    say(&format!("so far {text}"), figures);
                }
            }
        });
        Self {
            end: Some(end),
            thread: Some(thread),
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // It cannot fail, and has nothing more to say.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn what_there_is_to_say_is_said_until_it_is_over() {
        let (sender, said) = channel();
        let looks = AtomicUsize::new(0);
        // Every other look there is nothing to say.
        let pulse = Pulse::new(
            Duration::from_millis(1),
            move || {
                let look = looks.fetch_add(1, Ordering::Relaxed);
                (look % 2 == 1).then(|| (format!("{look} looks"), Figures::default()))
            },
            move |text: &str, _| {
                let _ = sender.send(text.to_owned());
            },
        );
        let next = || {
            said.recv_timeout(Duration::from_secs(60))
                .unwrap_or_default()
        };
        assert_eq!([next(), next()], ["so far 1 looks", "so far 3 looks"]);
        drop(pulse);
        // The thread is gone, and what it spoke with.
        while said.try_recv().is_ok() {}
        assert_eq!(said.recv(), Err(std::sync::mpsc::RecvError));
    }
}
