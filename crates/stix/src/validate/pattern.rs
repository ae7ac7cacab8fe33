//! A parser for STIX 2.1 patterning that keeps only what validation needs: is it a pattern, and what does it look at.
//!
//! One rule holds here: the input is hostile, so work is linear in its length and nesting is limited.

use std::fmt;

/// Deepest nesting of parentheses that is still read.
const PARENTHESES_DEPTH_MAX: usize = 64;

/// One comparison of a pattern: the observable type and the first property it looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Type of the observable object, such as `file`.
    pub object_type: String,
    /// First component of the object path, such as `hashes`.
    pub property: String,
}

/// Why a text is not a STIX pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte offset of the first character that does not fit.
    pub offset_bytes: usize,
    /// What was expected there.
    pub expected: &'static str,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pattern: expected {} at byte {}", self.expected, self.offset_bytes)
    }
}

impl std::error::Error for SyntaxError {}

/// Reads a pattern and lists its comparisons in order.
///
/// # Errors
/// When the text is not a STIX 2.1 pattern, or is nested deeper than any honest one.
pub fn parse(pattern: &str) -> Result<Vec<Comparison>, SyntaxError> {
    let tokens = Lexer { text: pattern, at: 0 }.run()?;
    let mut parser = Parser { tokens: &tokens, at: 0, end: pattern.len(), comparisons: Vec::new() };
    parser.observations(0)?;
    match parser.peek() {
        None => Ok(parser.comparisons),
        Some(_) => Err(parser.fail("the end of the pattern")),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// An identifier that contains a hyphen: only a type may.
    HyphenWord(&'a str),
    Keyword(Keyword),
    Integer {
        negative: bool,
    },
    Float {
        negative: bool,
    },
    Text(&'a str),
    Bytes,
    Time,
    Bool,
    Equal,
    Order,
    Mark(char),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keyword {
    And,
    Exists,
    FollowedBy,
    In,
    IsSubset,
    IsSuperset,
    Like,
    Matches,
    Not,
    Or,
    Repeats,
    Seconds,
    Start,
    Stop,
    Times,
    Within,
}

impl Keyword {
    fn find(word: &str) -> Option<Self> {
        Some(match word {
            "AND" => Self::And,
            "EXISTS" => Self::Exists,
            "FOLLOWEDBY" => Self::FollowedBy,
            "IN" => Self::In,
            "ISSUBSET" => Self::IsSubset,
            "ISSUPERSET" => Self::IsSuperset,
            "LIKE" => Self::Like,
            "MATCHES" => Self::Matches,
            "NOT" => Self::Not,
            "OR" => Self::Or,
            "REPEATS" => Self::Repeats,
            "SECONDS" => Self::Seconds,
            "START" => Self::Start,
            "STOP" => Self::Stop,
            "TIMES" => Self::Times,
            "WITHIN" => Self::Within,
            _ => return None,
        })
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn run(mut self) -> Result<Vec<(usize, Token<'a>)>, SyntaxError> {
        let mut tokens = Vec::new();
        loop {
            self.skip_blank();
            let start = self.at;
            let Some(first) = self.rest().chars().next() else {
                return Ok(tokens);
            };
            let token = self.token(first).ok_or(SyntaxError { offset_bytes: start, expected: "a word, a literal or an operator" })?;
            tokens.push((start, token));
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, bytes: usize) -> Option<&'a str> {
        let (taken, _) = self.rest().split_at_checked(bytes)?;
        self.at += bytes;
        Some(taken)
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            let comment_bytes = if trimmed.starts_with("//") {
                trimmed.find(['\n', '\r']).unwrap_or(trimmed.len())
            } else if let Some(body) = trimmed.strip_prefix("/*") {
                match body.find("*/") {
                    Some(end) => end + 4,
                    None => return,
                }
            } else {
                return;
            };
            self.at += comment_bytes;
        }
    }

    fn token(&mut self, first: char) -> Option<Token<'a>> {
        match first {
            '\'' => self.quoted().map(Token::Text),
            'a'..='z' | 'A'..='Z' | '_' => self.literal(first).or_else(|| self.word()),
            '0'..='9' | '.' | '+' | '-' => self.number(),
            _ => self.operator(first),
        }
    }

    fn quoted(&mut self) -> Option<&'a str> {
        let body = self.rest().strip_prefix('\'')?;
        let mut escaped = false;
        for (index, char) in body.char_indices() {
            match char {
                _ if escaped && !matches!(char, '\'' | '\\') => return None,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '\'' => {
                    self.take(index + 2)?;
                    return body.get(..index);
                }
                _ => {}
            }
        }
        None
    }

    /// `t'…'`, `h'…'` and `b'…'`; anything else that starts with such a letter is a word.
    fn literal(&mut self, first: char) -> Option<Token<'a>> {
        let body = self.rest().get(1..)?.strip_prefix('\'')?;
        let (content, _) = body.split_once('\'')?;
        let token = match first {
            't' if super::timestamp::is_shaped(content) => Token::Time,
            'h' if content.len().is_multiple_of(2) && content.bytes().all(|b| b.is_ascii_hexdigit()) => Token::Bytes,
            'b' if super::formats::is_base64(content) => Token::Bytes,
            _ => return None,
        };
        self.take(content.len() + 3)?;
        Some(token)
    }

    fn word(&mut self) -> Option<Token<'a>> {
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let word = self.take(length)?;
        if let Some(keyword) = Keyword::find(word) {
            return Some(Token::Keyword(keyword));
        }
        Some(match word {
            "true" | "false" => Token::Bool,
            _ if word.contains('-') => Token::HyphenWord(word),
            _ => Token::Word(word),
        })
    }

    fn number(&mut self) -> Option<Token<'a>> {
        let rest = self.rest();
        let negative = rest.starts_with('-');
        let unsigned = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        let sign = rest.len() - unsigned.len();
        let whole = digits(unsigned);
        let fraction = unsigned.get(whole..).and_then(|r| r.strip_prefix('.')).map_or(0, digits);
        if fraction > 0 {
            self.take(sign + whole + 1 + fraction)?;
            return Some(Token::Float { negative });
        }
        if whole == 0 {
            return if sign == 0 { self.operator('.') } else { None };
        }
        // A leading zero is a number of its own, as in the grammar.
        let whole = if unsigned.starts_with('0') { 1 } else { whole };
        self.take(sign + whole)?;
        Some(Token::Integer { negative })
    }

    fn operator(&mut self, first: char) -> Option<Token<'a>> {
        let rest = self.rest();
        let (length, token) = match first {
            '=' if rest.starts_with("==") => (2, Token::Equal),
            '=' => (1, Token::Equal),
            '!' if rest.starts_with("!=") => (2, Token::Equal),
            '<' if rest.starts_with("<>") => (2, Token::Equal),
            '<' | '>' if rest.get(1..2) == Some("=") => (2, Token::Order),
            '<' | '>' => (1, Token::Order),
            '[' | ']' | '(' | ')' | ':' | '.' | ',' | '*' => (1, Token::Mark(first)),
            _ => return None,
        };
        self.take(length)?;
        Some(token)
    }
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// A qualifier kind; two of one kind may not follow one observation directly.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Qualifier {
    Repeats,
    StartStop,
    Within,
}

struct Parser<'t, 'a> {
    tokens: &'t [(usize, Token<'a>)],
    at: usize,
    end: usize,
    comparisons: Vec<Comparison>,
}

impl<'a> Parser<'_, 'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).map(|(_, token)| *token)
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn fail(&self, expected: &'static str) -> SyntaxError {
        let offset_bytes = self.tokens.get(self.at).map_or(self.end, |(offset, _)| *offset);
        SyntaxError { offset_bytes, expected }
    }

    fn eat(&mut self, token: Token<'_>) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    fn mark(&mut self, mark: char, expected: &'static str) -> Result<(), SyntaxError> {
        if self.eat(Token::Mark(mark)) { Ok(()) } else { Err(self.fail(expected)) }
    }

    fn keyword(&mut self, keyword: Keyword, expected: &'static str) -> Result<(), SyntaxError> {
        if self.eat(Token::Keyword(keyword)) { Ok(()) } else { Err(self.fail(expected)) }
    }

    /// Observations joined by operators; precedence does not change what is accepted.
    fn observations(&mut self, depth: usize) -> Result<(), SyntaxError> {
        if depth > PARENTHESES_DEPTH_MAX {
            return Err(self.fail("less nesting"));
        }
        loop {
            self.observation(depth)?;
            match self.peek() {
                Some(Token::Keyword(Keyword::And | Keyword::Or | Keyword::FollowedBy)) => self.at += 1,
                _ => return Ok(()),
            }
        }
    }

    fn observation(&mut self, depth: usize) -> Result<(), SyntaxError> {
        let grouped = self.eat(Token::Mark('('));
        if grouped {
            self.observations(depth + 1)?;
            self.mark(')', "`)`")?;
        } else {
            self.mark('[', "`[`")?;
            self.comparison_list(depth)?;
            self.mark(']', "`]`")?;
        }
        let mut seen: Vec<Qualifier> = Vec::new();
        while let Some(qualifier) = self.qualifier()? {
            if grouped {
                continue;
            }
            if seen.contains(&qualifier) {
                return Err(self.fail("each kind of qualifier once"));
            }
            seen.push(qualifier);
        }
        Ok(())
    }

    fn qualifier(&mut self) -> Result<Option<Qualifier>, SyntaxError> {
        let Some(Token::Keyword(keyword)) = self.peek() else {
            return Ok(None);
        };
        let kind = match keyword {
            Keyword::Repeats => Qualifier::Repeats,
            Keyword::Start => Qualifier::StartStop,
            Keyword::Within => Qualifier::Within,
            _ => return Ok(None),
        };
        self.at += 1;
        match kind {
            Qualifier::Repeats => {
                self.literal("a count", |t| t == Token::Integer { negative: false })?;
                self.keyword(Keyword::Times, "`TIMES`")?;
            }
            Qualifier::StartStop => {
                self.literal("a timestamp", |t| t == Token::Time)?;
                self.keyword(Keyword::Stop, "`STOP`")?;
                self.literal("a timestamp", |t| t == Token::Time)?;
            }
            Qualifier::Within => {
                self.literal("a duration", |t| matches!(t, Token::Integer { negative: false } | Token::Float { negative: false }))?;
                self.keyword(Keyword::Seconds, "`SECONDS`")?;
            }
        }
        Ok(Some(kind))
    }

    fn literal(&mut self, expected: &'static str, fits: impl Fn(Token<'_>) -> bool) -> Result<(), SyntaxError> {
        match self.peek() {
            Some(token) if fits(token) => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.fail(expected)),
        }
    }

    fn comparison_list(&mut self, depth: usize) -> Result<(), SyntaxError> {
        if depth > PARENTHESES_DEPTH_MAX {
            return Err(self.fail("less nesting"));
        }
        loop {
            if self.eat(Token::Mark('(')) {
                self.comparison_list(depth + 1)?;
                self.mark(')', "`)`")?;
            } else if self.exists() {
                self.object_path()?;
            } else {
                self.comparison()?;
            }
            match self.peek() {
                Some(Token::Keyword(Keyword::And | Keyword::Or)) => self.at += 1,
                _ => return Ok(()),
            }
        }
    }

    /// Eats `EXISTS` or `NOT EXISTS`.
    fn exists(&mut self) -> bool {
        let negated = usize::from(self.peek() == Some(Token::Keyword(Keyword::Not)));
        let keyword = self.tokens.get(self.at + negated).map(|(_, token)| *token);
        let found = keyword == Some(Token::Keyword(Keyword::Exists));
        self.at += if found { negated + 1 } else { 0 };
        found
    }

    fn comparison(&mut self) -> Result<(), SyntaxError> {
        let last = self.object_path()?;
        self.eat(Token::Keyword(Keyword::Not));
        let operator_at = self.at;
        match self.next() {
            Some(Token::Equal) => {
                if let (Some((algorithm, true)), Some(Token::Text(hash))) = (last, self.peek())
                    && !super::formats::is_pattern_hash(algorithm, hash)
                {
                    return Err(self.fail("a hash of the named algorithm"));
                }
                self.literal("a literal", |t| is_orderable(t) || t == Token::Bool)
            }
            Some(Token::Order) => self.literal("a literal that has an order", is_orderable),
            Some(Token::Keyword(Keyword::In)) => self.set(),
            Some(Token::Keyword(Keyword::Like | Keyword::Matches | Keyword::IsSubset | Keyword::IsSuperset)) => {
                self.literal("a quoted text", |t| matches!(t, Token::Text(_)))
            }
            _ => {
                self.at = operator_at;
                Err(self.fail("a comparison operator"))
            }
        }
    }

    fn set(&mut self) -> Result<(), SyntaxError> {
        self.mark('(', "`(`")?;
        if self.eat(Token::Mark(')')) {
            return Ok(());
        }
        loop {
            self.literal("a literal", |t| is_orderable(t) || t == Token::Bool)?;
            if !self.eat(Token::Mark(',')) {
                return self.mark(')', "`)`");
            }
        }
    }

    /// Reads `type:path`; returns the last key and whether the path goes through `hashes`.
    fn object_path(&mut self) -> Result<Option<(&'a str, bool)>, SyntaxError> {
        let Some(Token::Word(object_type) | Token::HyphenWord(object_type)) = self.peek() else {
            return Err(self.fail("an object path"));
        };
        self.at += 1;
        self.mark(':', "`:`")?;
        let property = self.key()?;
        let mut last = Some(property);
        let mut through_hashes = property == "hashes";
        loop {
            if self.eat(Token::Mark('.')) {
                let key = self.key()?;
                through_hashes |= key == "hashes";
                last = Some(key);
            } else if self.eat(Token::Mark('[')) {
                self.literal("an index", |t| matches!(t, Token::Integer { .. } | Token::Mark('*')))?;
                self.mark(']', "`]`")?;
                last = None;
            } else {
                break;
            }
        }
        self.comparisons.push(Comparison { object_type: object_type.to_owned(), property: unescape(property) });
        Ok(last.map(|key| (key, through_hashes)))
    }

    fn key(&mut self) -> Result<&'a str, SyntaxError> {
        match self.peek() {
            Some(Token::Word(key) | Token::Text(key)) => {
                self.at += 1;
                Ok(key)
            }
            _ => Err(self.fail("a property name")),
        }
    }
}

fn is_orderable(token: Token<'_>) -> bool {
    matches!(token, Token::Integer { .. } | Token::Float { .. } | Token::Text(_) | Token::Bytes | Token::Time)
}

fn unescape(text: &str) -> String {
    text.replace("\\'", "'").replace("\\\\", "\\")
}
