//! Questions on the terminal.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::sync::{Mutex, PoisonError};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use super::failure::{Context, Result};

/// The terminal and what it was like, while it does not show what is typed.
static HIDDEN: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// Asks for a line. None without a terminal.
pub(super) fn line(question: &str) -> Result<Option<String>> {
    match terminal() {
        Some(terminal) => ask(&terminal, question)
            .context("asking on the terminal")
            .map(Some),
        None => Ok(None),
    }
}

/// Asks for a line that is not shown. None without a terminal.
pub(super) fn password(question: &str) -> Result<Option<String>> {
    let Some(terminal) = terminal() else {
        return Ok(None);
    };
    hide(&terminal).context("asking on the terminal")?;
    let answer = ask(&terminal, question);
    show();
    // The end of the line was not shown, either.
    let _ = (&terminal).write_all(b"\n");
    answer.context("asking on the terminal").map(Some)
}

/// Lets the terminal show again what is typed. A process that is interrupted must do it, too.
pub(super) fn show() {
    let hidden = HIDDEN.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((terminal, before)) = hidden {
        // There is nothing to be done about it.
        let _ = tcsetattr(&terminal, SetArg::TCSANOW, &before);
    }
}

fn terminal() -> Option<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).open("/dev/tty").ok()
}

fn hide(terminal: &File) -> io::Result<()> {
    let before = tcgetattr(terminal)?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    let mut hidden = HIDDEN.lock().unwrap_or_else(PoisonError::into_inner);
    *hidden = Some((terminal.try_clone()?, before));
    Ok(tcsetattr(terminal, SetArg::TCSANOW, &silent)?)
}

fn ask(mut terminal: &File, question: &str) -> io::Result<String> {
    terminal.write_all(question.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(terminal).read_line(&mut answer)?;
    if !answer.ends_with('\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer.trim_end_matches(['\n', '\r']).to_owned())
}
