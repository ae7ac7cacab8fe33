//! Texts that analysts write with marks of formatting, shown as formatted.
//!
//! The rule: every element is one of ours, every character goes through `text`, no address is a link, and what was written stands beside it.

use maud::{Markup, html};
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
    page.formats.then(|| all(&page.parts))
}

#[derive(Debug)]
enum Part {
    Text(String),
    Code(String),
    Break,
    Rule,
    Element(Element, Vec<Part>),
}

#[derive(Debug, Clone)]
enum Element {
    Paragraph,
    Heading,
    Quote,
    Block,
    List(Option<u64>),
    Item,
    Emphasis,
    Strong,
    /// Where it leads.
    Link(String),
    /// Something that is not shown apart.
    Other,
}

#[derive(Debug, Default)]
struct Page {
    parts: Vec<Part>,
    /// Elements that are open, the outermost first.
    open: Vec<(Element, Vec<Part>)>,
    formats: bool,
}

impl Page {
    fn take(&mut self, event: Event<'_>) {
        let part = match event {
            Event::Start(tag) => return self.start(tag),
            Event::End(_) => match self.open.pop() {
                Some((element, parts)) if self.open.len() < limits::FORMATTED_DEPTH_MAX => Part::Element(element, parts),
                _ => return,
            },
            Event::Code(code) => Part::Code(code.to_string()),
            Event::SoftBreak | Event::HardBreak => Part::Break,
            Event::Rule => Part::Rule,
            Event::Text(words)
            | Event::Html(words)
            | Event::InlineHtml(words)
            | Event::FootnoteReference(words)
            | Event::InlineMath(words)
            | Event::DisplayMath(words) => Part::Text(words.to_string()),
            Event::TaskListMarker(_) => return,
        };
        self.formats |= matches!(part, Part::Code(_) | Part::Rule);
        self.put(part);
    }

    fn put(&mut self, part: Part) {
        // Nested deeper, only what is within is shown.
        self.open.iter_mut().take(limits::FORMATTED_DEPTH_MAX).next_back().map_or(&mut self.parts, |(_, parts)| parts).push(part);
    }

    fn start(&mut self, tag: Tag<'_>) {
        self.formats |= !matches!(tag, Tag::Paragraph | Tag::HtmlBlock | Tag::CodeBlock(CodeBlockKind::Indented));
        let element = match tag {
            Tag::Paragraph | Tag::HtmlBlock => Element::Paragraph,
            Tag::Heading { .. } => Element::Heading,
            Tag::BlockQuote(_) => Element::Quote,
            Tag::CodeBlock(_) => Element::Block,
            Tag::List(first) => Element::List(first),
            Tag::Item => Element::Item,
            Tag::Emphasis => Element::Emphasis,
            Tag::Strong => Element::Strong,
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => Element::Link(dest_url.to_string()),
            _ => Element::Other,
        };
        self.open.push((element, Vec::new()));
    }
}

fn all(parts: &[Part]) -> Markup {
    html! { @for part in parts { (one(part)) } }
}

fn one(part: &Part) -> Markup {
    match part {
        Part::Text(words) => shown(words),
        Part::Code(words) => html! { code { (shown(words)) } },
        Part::Break => html! { br; },
        Part::Rule => html! { hr; },
        Part::Element(element, parts) => within(element, all(parts)),
    }
}

fn within(element: &Element, inner: Markup) -> Markup {
    match element {
        Element::Paragraph => html! { p { (inner) } },
        // The page has headings of its own.
        Element::Heading => html! { p { strong { (inner) } } },
        Element::Quote => html! { blockquote { (inner) } },
        Element::Block => html! { pre { code { (inner) } } },
        Element::List(None) => html! { ul { (inner) } },
        Element::List(Some(first)) => html! { ol start=(first) { (inner) } },
        Element::Item => html! { li { (inner) } },
        Element::Emphasis => html! { em { (inner) } },
        Element::Strong => html! { strong { (inner) } },
        Element::Link(address) => html! { (inner) " (" code { (shown(address)) } ")" },
        Element::Other => inner,
    }
}

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
            ("[good](javascript:alert(1))", "<p>good (<code>javascript:alert(1)</code>)</p>"),
            ("![a](http://far.example/b.png)", "<p>a (<code>hxxp[://]far.example/b.png</code>)</p>"),
            ("<http://far.example/>", "<p>hxxp[://]far.example/ (<code>hxxp[://]far.example/</code>)</p>"),
        ] {
            check(written, Some(want));
        }
        assert!(formatted("*a\u{202e}b*").unwrap().into_string().contains("U+202E"));
    }

    #[test]
    fn nothing_nests_without_end_and_all_is_closed() {
        for mark in [">", "- ", "*a ", "[", "![a](b", "**", "`", "1. ", "<a>", "[a](b) "] {
            let page = formatted(&mark.repeat(limits::FORMATTED_BYTES_MAX / mark.len())).map(|m| m.into_string()).unwrap_or_default();
            for tag in ["p", "blockquote", "ul", "ol", "li", "em", "strong", "code", "pre"] {
                let (opens, closes) =
                    (page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count(), page.matches(&format!("</{tag}>")).count());
                assert_eq!(opens, closes, "{mark}: {tag}");
            }
            assert!(page.matches("<blockquote>").count() <= limits::FORMATTED_DEPTH_MAX);
        }
    }
}
