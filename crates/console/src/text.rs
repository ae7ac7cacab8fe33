//! Strings of objects, made harmless to look at: every one of them is an attacker's.
//!
//! The rule: what has no shape of its own, turns the direction of reading or looks like nothing is shown by its number; addresses are shown so that nothing opens them.

use maud::{Markup, html};

use crate::limits;

/// Is it a character that a reader would not see, or that changes how others are read?
fn is_odd(c: char) -> bool {
    let n = u32::from(c);
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(n, 0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x2028..=0x202f | 0x205f..=0x206f)
        || matches!(n, 0x2800 | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// A string with everything in it visible. Isolated, so that its own direction stays its own.
pub(crate) fn shown(text: &str) -> Markup {
    let mut runs: Vec<(bool, String)> = Vec::new();
    for c in defanged(text).chars() {
        let odd = is_odd(c);
        match runs.last_mut() {
            Some((was_odd, run)) if *was_odd == odd && !odd => run.push(c),
            _ => runs.push((odd, c.to_string())),
        }
    }
    html! {
        bdi {
            @for (odd, run) in &runs {
                @if *odd {
                    @for c in run.chars() { span.odd title="a character that is not seen" { (format!("U+{:04X}", u32::from(c))) } }
                } @else { (run) }
            }
        }
    }
}

/// The beginning of a string, where a row of a table has to do.
pub(crate) fn cut(text: &str) -> Markup {
    let line: String = text.split(['\n', '\r']).next().unwrap_or_default().chars().take(limits::CELL_CHARS_MAX).collect();
    let more = line.len() < text.len();
    html! { (shown(&line)) @if more { "…" } }
}

/// The beginning of a string where only plain text can stand: a title, a choice, a picture.
pub(crate) fn plain(text: &str, chars_max: usize) -> String {
    let visible = |c: &char| !is_odd(*c) && !matches!(c, '\n' | '\t' | '\r');
    defanged(text).chars().filter(visible).take(chars_max).collect::<String>().trim().to_owned()
}

/// Addresses of pages and files, written so that no program takes them for links.
pub(crate) fn defanged(text: &str) -> String {
    let mut out = text.replace("://", "[://]");
    for (scheme, other) in [("http[", "hxxp["), ("https[", "hxxps["), ("HTTP[", "HXXP["), ("HTTPS[", "HXXPS[")] {
        out = out.replace(scheme, other);
    }
    out
}

/// A name or address with its last dot in brackets.
pub(crate) fn defanged_name(text: &str) -> String {
    match text.rsplit_once('.') {
        Some((head, tail)) if !text.contains(char::is_whitespace) => format!("{head}[.]{tail}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_hidden_and_nothing_runs() {
        for (text, has, has_not) in [
            ("<script>alert(1)</script>", "&lt;script&gt;", "<script>"),
            ("invoice\u{202e}fdp.exe", "U+202E", "\u{202e}"),
            ("a\u{200b}b", "U+200B", "\u{200b}"),
            ("bell\u{7}", "U+0007", "\u{7}"),
            ("tag\u{e0041}", "U+E0041", "\u{e0041}"),
            ("see https://x.example/a", "hxxps[://]x.example/a", "https://"),
            ("two\nlines", "two\nlines", "U+000A"),
            ("é 漢 ا", "é 漢 ا", "U+"),
        ] {
            let shown = shown(text).into_string();
            assert!(shown.contains(has) && !shown.contains(has_not), "{text:?}: {shown}");
        }
    }

    #[test]
    fn addresses_are_defanged() {
        for (text, want) in [
            ("http://a.example", "hxxp[://]a.example"),
            ("(HTTPS://a.example) ftp://b", "(HXXPS[://]a.example) ftp[://]b"),
            ("é://x", "é[://]x"),
            ("://", "[://]"),
            ("no address", "no address"),
        ] {
            assert_eq!(defanged(text), want);
        }
        assert_eq!((defanged_name("a.b.example"), defanged_name("a sentence. Two")), ("a.b[.]example".to_owned(), "a sentence. Two".to_owned()));
    }

    #[test]
    fn long_values_are_cut_at_their_first_line() {
        assert_eq!(cut("one\ntwo").into_string(), "<bdi>one</bdi>…");
        assert!(cut(&"x".repeat(500)).into_string().ends_with("…"));
    }
}
