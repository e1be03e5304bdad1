//! Tables: columns of text, aligned.

/// What stands between two columns.
const GAP: &str = "  ";

/// What is left out at the end of a line that does not fit.
const CUT: char = '…';

/// On which side the cells of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(super) fn new(columns: impl IntoIterator<Item = (&'static str, Align)>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, which has a cell for each column.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines of the table; the first has the columns' names.
    pub(super) fn lines(&self) -> Vec<String> {
        let names: Vec<String> = self
            .columns
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        let rows = || std::iter::once(&names).chain(&self.rows);
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| rows().map(|row| width(&row[column])).max().unwrap_or(0))
            .collect();
        rows().map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let columns = self.columns.iter().zip(widths);
        let padded = cells
            .iter()
            .zip(columns)
            .map(|(cell, ((_, align), width_of))| {
                let space = " ".repeat(width_of.saturating_sub(width(cell)));
                match align {
                    Align::Left => format!("{cell}{space}"),
                    Align::Right => format!("{space}{cell}"),
                }
            });
        let line = padded.collect::<Vec<_>>().join(GAP);
        line.trim_end().to_owned()
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// A line that fits into so many columns.
pub(super) fn cut(line: &str, columns: usize) -> String {
    if width(line) <= columns {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(columns.saturating_sub(1)).collect();
    short.push(CUT);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new([("NAME", Align::Left), ("MESSAGES", Align::Right)]);
        table.row(["ORDERS".to_owned(), "12".to_owned()]);
        table.row(["Ä".to_owned(), "1,234,567,890".to_owned()]);

        assert_eq!(
            table.lines(),
            [
                "NAME         MESSAGES",
                "ORDERS             12",
                "Ä       1,234,567,890",
            ]
        );
    }

    #[test]
    fn lines_are_cut_to_the_terminal() {
        assert_eq!(cut("orders", 6), "orders");
        assert_eq!(cut("orders", 5), "orde…");
        assert_eq!(cut("ÄÖÜ", 2), "Ä…");
    }
}
