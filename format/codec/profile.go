package codec

import "slices"

// Profile says what to trade between the time to write, the time to scan and
// the bytes stored. The zero value is Default.
type Profile uint8

const (
	// Default is for scans: small as far as decoding stays fast.
	Default Profile = iota
	// Fast is for writing at once what will soon be written again: it prices
	// encodings that one pass over the values can price, and tries no other.
	Fast
	// Compact is for segments that are rarely read: zstd too, over numbers
	// and text.
	Compact
)

// Profiles are the names of the profiles, each at its number.
var Profiles = []string{Default: "default", Fast: "fast", Compact: "compact"}

// String returns the profile's name.
func (p Profile) String() string {
	if int(p) >= len(Profiles) {
		return "profile ?"
	}
	return Profiles[p]
}

// ParseProfile returns the profile of a name; the empty one is Default's.
func ParseProfile(name string) (Profile, bool) {
	if name == "" {
		return Default, true
	}
	i := slices.Index(Profiles, name)
	return Profile(max(i, 0)), i >= 0
}
