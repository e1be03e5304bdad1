//! The byte layout below tokens: a version, variable-length numbers, short texts, a CRC-32.

/// Most tokens are shorter.
const USUAL: usize = 128;

/// Puts a token's fields together.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new(version: u8) -> Self {
        let mut bytes = Vec::with_capacity(USUAL);
        bytes.push(version);
        Self(bytes)
    }

    /// Seven bits a byte, the lowest first.
    pub(super) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let checksum = crc32fast::hash(&self.0);
        self.0.extend_from_slice(&checksum.to_be_bytes());
        self.0
    }
}

/// Takes a token apart again.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// `None` where version or checksum are wrong.
    pub(super) fn new(bytes: &'a [u8], version: u8) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk::<4>()?;
        let sound = crc32fast::hash(body) == u32::from_be_bytes(*checksum);
        let (first, rest) = body.split_first()?;
        (sound && *first == version).then_some(Self(rest))
    }

    /// `None` also for a number that is longer than it need be: each token has one encoding.
    pub(super) fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if (shift == 63 && bits > 1) || (shift > 0 && *byte == 0) {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
