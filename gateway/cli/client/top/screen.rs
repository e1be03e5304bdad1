//! Where looks are shown: a terminal's screen, drawn over each time, or one after the other.

use super::{Rates, Snapshot, view};
use crate::cli::{
    Failure,
    client::output::{Output, one_line, warn},
};

/// Terminal codes: another screen without a cursor, and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Terminal codes: to the first line, and the end of a line or of everything made empty.
const HOME: &str = "\x1b[H";
const REST_OF_LINE: &str = "\x1b[K";
const REST_OF_SCREEN: &str = "\x1b[J";

/// Where looks are shown. A terminal is given back with this value.
pub(super) struct Screen {
    output: Output,
    /// Whether a terminal shows one look over the other.
    redraws: bool,
}

impl Screen {
    pub(super) fn open(mut output: Output) -> Result<Self, Failure> {
        let redraws = output.is_terminal() && !output.is_json();
        if redraws {
            output.raw(ENTER)?;
        }
        Ok(Self { output, redraws })
    }

    /// Shows a look, and what keeps a newer one from being had.
    pub(super) fn show(
        &mut self,
        snapshot: &Snapshot,
        rates: &Rates,
        trouble: Option<&str>,
    ) -> Result<(), Failure> {
        let shown = if self.output.is_json() {
            self.object(snapshot, rates, trouble)
        } else {
            self.lines(snapshot, rates, trouble)
        };
        shown?;
        self.output.flush()
    }

    fn object(
        &mut self,
        snapshot: &Snapshot,
        rates: &Rates,
        trouble: Option<&str>,
    ) -> Result<(), Failure> {
        let Some(trouble) = trouble else {
            return self.output.object(&view::json(snapshot, rates)?);
        };
        warn(trouble);
        Ok(())
    }

    fn lines(
        &mut self,
        snapshot: &Snapshot,
        rates: &Rates,
        trouble: Option<&str>,
    ) -> Result<(), Failure> {
        let size = self.output.terminal_size().filter(|_| self.redraws);
        // The last row stays free: a line feed there would scroll.
        let size = size.map(|(columns, rows)| (columns, rows.saturating_sub(1)));
        let mut lines = view::lines(snapshot, rates, size);
        if let (Some(trouble), Some(first)) = (trouble, lines.first_mut()) {
            *first = view::Line::trouble(&one_line(trouble), size);
        }
        if !self.redraws {
            lines
                .iter()
                .try_for_each(|line| line.print(&mut self.output))?;
            return self.output.line("");
        }
        self.output.raw(HOME)?;
        for line in &lines {
            self.output.raw(REST_OF_LINE)?;
            line.print(&mut self.output)?;
        }
        self.output.raw(REST_OF_SCREEN)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.redraws {
            let _closed = self.output.raw(LEAVE).and_then(|()| self.output.flush());
        }
    }
}
