//! Texts that analysts write with marks of formatting, shown as formatted.
//!
//! The rule: every element is one of ours, every character goes through `text`, no address is a link, and what was written stands beside it.

use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TextMergeStream};

use crate::limits;
use crate::text::shown;

/// A long text of an object, formatted where it has marks of formatting.
pub(crate) fn text(written: &str) -> Markup {
    match formatted(written) {
        Some(formatted) => html! {
            div.formatted { (formatted) }
            details.quiet { summary { "As it was written" } span.value { (shown(written)) } }
        },
        None => html! { span.value { (shown(written)) } },
    }
}

/// None where nothing is to be formatted, or where the text is too long to be looked at.
fn formatted(written: &str) -> Option<Markup> {
    if written.len() > limits::FORMATTED_BYTES_MAX {
        return None;
    }
    let mut page = Page::default();
    TextMergeStream::new(Parser::new(written)).for_each(|event| page.take(event));
    page.formats.then_some(PreEscaped(page.out))
}

#[derive(Debug, Default)]
struct Page {
    out: String,
    /// What closes the elements that are open.
    open: Vec<&'static str>,
    /// Where links that are open lead.
    addresses: Vec<String>,
    formats: bool,
}

impl Page {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(_) => {
                let close = self.open.pop().unwrap_or_default();
                self.out.push_str(close);
                if close == LINK_CLOSES {
                    let address = self.addresses.pop().unwrap_or_default();
                    self.out.push_str(&html! { " (" code { (shown(&address)) } ")" }.into_string());
                }
            }
            Event::Code(code) => {
                self.formats = true;
                self.out.push_str(&html! { code { (shown(&code)) } }.into_string());
            }
            Event::SoftBreak | Event::HardBreak => self.out.push_str("<br>"),
            Event::Rule => {
                self.formats = true;
                self.out.push_str("<hr>");
            }
            Event::Text(words)
            | Event::Html(words)
            | Event::InlineHtml(words)
            | Event::FootnoteReference(words)
            | Event::InlineMath(words)
            | Event::DisplayMath(words) => self.out.push_str(&shown(&words).into_string()),
            Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        let numbered;
        let (opens, closes) = match tag {
            Tag::Paragraph | Tag::HtmlBlock => ("<p>", "</p>"),
            // The page has headings of its own.
            Tag::Heading { .. } => ("<p><strong>", "</strong></p>"),
            Tag::BlockQuote(_) => ("<blockquote>", "</blockquote>"),
            Tag::CodeBlock(_) => ("<pre><code>", "</code></pre>"),
            Tag::List(None) => ("<ul>", "</ul>"),
            Tag::List(Some(first)) => {
                numbered = format!("<ol start=\"{first}\">");
                (numbered.as_str(), "</ol>")
            }
            Tag::Item => ("<li>", "</li>"),
            Tag::Emphasis => ("<em>", "</em>"),
            Tag::Strong => ("<strong>", "</strong>"),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.addresses.push(dest_url.to_string());
                ("<span>", LINK_CLOSES)
            }
            _ => ("<div>", "</div>"),
        };
        self.formats |= !matches!(tag, Tag::Paragraph | Tag::HtmlBlock | Tag::CodeBlock(CodeBlockKind::Indented));
        // Nested deeper, only what is within is shown.
        if self.open.len() < limits::FORMATTED_DEPTH_MAX {
            self.out.push_str(opens);
            self.open.push(closes);
        } else {
            if closes == LINK_CLOSES {
                self.addresses.pop();
            }
            self.open.push("");
        }
    }
}

/// Where a link ends.
const LINK_CLOSES: &str = "</span>";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, want: Option<&str>) {
        let made = formatted(written).map(|m| m.into_string().replace("<bdi>", "").replace("</bdi>", ""));
        assert_eq!(made.as_deref(), want, "{written:?}");
    }

    #[test]
    fn formatting_is_shown_and_nothing_runs() {
        for plain in ["", "one line", "two\nlines\n\nand a part", "C:\\*.exe", "a_b_c and 2 * 3", "<script>alert(1)</script>", "    indented"] {
            check(plain, None);
        }
        for (written, want) in [
            ("# Head\nand **text**", "<p><strong>Head</strong></p><p>and <strong>text</strong></p>"),
            ("3. c\n4. d", "<ol start=\"3\"><li>c</li><li>d</li></ol>"),
            ("`x` <img src=x onerror=alert(1)>", "<p><code>x</code> &lt;img src=x onerror=alert(1)&gt;</p>"),
            ("[good](javascript:alert(1))", "<p><span>good</span> (<code>javascript:alert(1)</code>)</p>"),
            ("![a](http://far.example/b.png)", "<p><span>a</span> (<code>hxxp[://]far.example/b.png</code>)</p>"),
            ("<http://far.example/>", "<p><span>hxxp[://]far.example/</span> (<code>hxxp[://]far.example/</code>)</p>"),
        ] {
            check(written, Some(want));
        }
        assert!(formatted("*a\u{202e}b*").unwrap().into_string().contains("U+202E"));
    }

    #[test]
    fn nothing_nests_without_end_and_all_is_closed() {
        for mark in [">", "- ", "*a ", "[", "![a](b", "**", "`", "1. ", "<a>", "[a](b) "] {
            let page = formatted(&mark.repeat(limits::FORMATTED_BYTES_MAX / mark.len())).map(PreEscaped::into_string).unwrap_or_default();
            for tag in ["p", "blockquote", "ul", "ol", "li", "em", "strong", "span", "div", "code", "pre"] {
                let (opens, closes) =
                    (page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count(), page.matches(&format!("</{tag}>")).count());
                assert_eq!(opens, closes, "{mark}: {tag}");
            }
            assert!(page.matches("<blockquote>").count() <= limits::FORMATTED_DEPTH_MAX);
        }
    }
}
