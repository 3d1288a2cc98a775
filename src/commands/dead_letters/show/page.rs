//! Lines, of which only those that matter are printed where there are very many.

/// Lines of a payload, and which of them point out something.
#[derive(Debug, Default)]
pub(super) struct Page {
    lines: Vec<(String, bool)>,
}

/// So many lines are printed whatever they are.
const SHORT: usize = 200;
/// Of more, so many at the beginning.
const BEGINNING: usize = 40;
/// And so many around each that points something out.
const AROUND: usize = 3;

impl Page {
    /// A line of the payload.
    pub(super) fn line(&mut self, text: String) {
        self.lines.push((text, false));
    }

    /// A line that points out what is wrong with the one before.
    pub(super) fn mark(&mut self, text: String) {
        self.lines.push((text, true));
    }

    /// The lines, indented; where there are too many, with a note in place of those that say nothing.
    pub(super) fn print(&self, indent: &str) -> String {
        let mut text = String::new();
        let mut left_out = 0;
        for (number, shown) in self.shown().into_iter().enumerate() {
            if !shown {
                left_out += 1;
                continue;
            }
            push_note(&mut text, indent, &mut left_out);
            text.push_str(&format!("{indent}{}\n", self.lines[number].0));
        }
        push_note(&mut text, indent, &mut left_out);
        text
    }

    /// Which lines are printed.
    fn shown(&self) -> Vec<bool> {
        let mut shown = vec![self.lines.len() <= SHORT; self.lines.len()];
        shown.iter_mut().take(BEGINNING).for_each(|shown| *shown = true);
        let marks = self.lines.iter().enumerate().filter(|(_, (_, is_mark))| *is_mark);
        for (number, _) in marks {
            let end = shown.len().min(number + AROUND + 1);
            shown[number.saturating_sub(AROUND)..end].fill(true);
        }
        shown
    }
}

fn push_note(text: &mut String, indent: &str, left_out: &mut usize) {
    match std::mem::take(left_out) {
        0 => {}
        lines => text.push_str(&format!("{indent}… {lines} more lines: --raw prints them …\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_lines_those_around_marks_are_printed() {
        let mut page = Page::default();
        for number in 0..500 {
            page.line(number.to_string());
            if number == 300 {
                page.mark("^ here".to_owned());
            }
        }
        let text = page.print("  ");
        let expected = "  39\n  … 258 more lines: --raw prints them …\n  298\n  299\n  300\n  ^ here\n  301\n";
        assert!(text.contains(expected), "{text}");
        assert!(text.ends_with("  303\n  … 196 more lines: --raw prints them …\n"), "{text}");
    }

    #[test]
    fn few_lines_are_all_printed() {
        let mut page = Page::default();
        (0..SHORT).for_each(|number| page.line(number.to_string()));
        assert_eq!(page.print("").lines().count(), SHORT);
    }
}
