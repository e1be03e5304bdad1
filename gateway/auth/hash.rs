//! What secrets are remembered and found by: looking a hash up tells nobody how much of a guess was right.

use aws_lc_rs::digest;

/// The SHA-256 of a key, a token, or a file of such.
pub(super) type Hash = [u8; digest::SHA256_OUTPUT_LEN];

/// The hash of a text.
pub(super) fn of(text: impl AsRef<[u8]>) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_ref()).as_ref());
    hash
}
