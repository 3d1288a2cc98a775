//! Rows of text in columns that are as wide as they must be.

/// What stands on which side of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A table with its titles. The last column is never padded.
pub(super) fn table<const N: usize>(titles: [(&str, Side); N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([titles[column].0.chars().count()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in std::iter::once(&titles.map(|(title, _)| title.to_uppercase())).chain(rows) {
        let cells = row.iter().zip(titles).zip(widths).map(|((cell, (_, side)), width)| match side {
            Side::Left => format!("{cell:<width$}"),
            Side::Right => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [["1".to_owned(), "ä".to_owned()], ["1000000".to_owned(), "long".to_owned()]];
        let expected = "  COUNT  NAME\n      1  ä\n1000000  long\n";
        assert_eq!(table([("count", Side::Right), ("name", Side::Left)], &rows), expected);
    }
}
