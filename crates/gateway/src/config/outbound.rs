//! `[outbound]`: calls that we place, and what stands between a stolen key and a telephone bill.

use super::keys::section;

section! {
    /// Calls that the gateway places. None may be placed until `allow` names where to: whoever gets hold of the API token
    /// can otherwise ring numbers that earn somebody money.
    pub struct Outbound {
        /// The beginnings of the numbers that may be dialled, in international form: `+49` is Germany, `+1415` San
        /// Francisco, `+` every number in the world, `*` SIP addresses too. Numbers that are written without a country
        /// code are those of `numbers.country`; without that they need a beginning written like them (`0`). Empty: no calls are placed. The
        /// longest beginning that fits decides, between `allow` and `block`.
        /// Example: `["+49", "+1415"]`
        allow: Vec<String> = Vec::new(),
        /// The beginnings of numbers that may not be dialled all the same. The default has those that fraud lives on:
        /// premium, personal and satellite numbers. Short numbers (emergency, service) are only dialled when `allow` has
        /// the whole number.
        block: Vec<String> = BLOCKED.map(str::to_owned).to_vec(),
        /// The most calls placed in any minute. 0: no limit.
        calls_per_minute: u32 = 60,
        /// The most placed calls at a time, ringing ones included. 0: no limit but `limits.calls`.
        concurrent: u32 = 20,
        /// The most calls placed in any minute with one key: the API token, or a carrier's own interface that has the
        /// gateway place calls. 0: no limit.
        calls_per_minute_per_key: u32 = 30,
        /// The most placed calls at a time with one key. 0: no limit.
        concurrent_per_key: u32 = 20,
        /// Limits of their own for some destinations.
        prefixes: Vec<OutboundPrefix> = Vec::new(),
        /// How long it rings before nobody has answered, in seconds.
        ring_s: u32 = 45,
        /// How much longer the carrier may take to say what became of a call, in seconds. Then it counts as not answered.
        grace_s: u32 = 20,
        /// The longest a placed call may last, in seconds, whatever its bot allows. Carriers that can be told end it by
        /// themselves a little later, even if this program is gone.
        max_duration_s: u32 = 3_600,
    }
}

section! {
    /// Limits for the numbers that begin like this. Of several that fit, the longest counts.
    pub struct OutboundPrefix {
        /// The beginning, in international form.
        /// Example: `"+91"`
        prefix: String = String::new(),
        /// The most calls placed there in any minute. 0: no limit.
        calls_per_minute: u32 = 0,
        /// The most placed calls there at a time. 0: no limit.
        concurrent: u32 = 0,
    }
}

/// North American pay-per-call, British premium and personal numbers, satellites, international networks and premium
/// services.
const BLOCKED: [&str; 10] =
    ["+1900", "+1976", "+449", "+4470", "+870", "+878", "+881", "+882", "+883", "+979"];
