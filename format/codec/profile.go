package codec

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

// String returns the name of the profile.
func (p Profile) String() string {
	switch p {
	case Default:
		return "default"
	case Fast:
		return "fast"
	case Compact:
		return "compact"
	}
	return "profile ?"
}
