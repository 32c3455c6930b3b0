package trust

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

func newJoinText(t testing.TB, s State) string {
	t.Helper()
	text, _, err := s.NewJoinToken(noon, rand.Reader, 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func newAccessText(t testing.TB) string {
	t.Helper()
	text, _, err := NewAccessToken(noon, rand.Reader, "etl", Writer, 0)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTokensHaveTheirShape(t *testing.T) {
	for text, want := range map[string]struct {
		prefix string
		length int
	}{
		newJoinText(t, newState(t)): {"tarn_join_", 10 + 138},
		newAccessText(t):            {"tarn_token_", 11 + 48},
	} {
		if !strings.HasPrefix(text, want.prefix) || len(text) != want.length {
			t.Errorf("token %q of %d characters; want %s… of %d", text, len(text), want.prefix, want.length)
		}
		if strings.Trim(text, "abcdefghijklmnopqrstuvwxyz234567_") != "" {
			t.Errorf("token %q holds letters that a double click does not take", text)
		}
	}
}

// TestEveryMistypedLetterIsFound changes each character to each other one,
// swaps all neighbours and drops every tail.
func TestEveryMistypedLetterIsFound(t *testing.T) {
	join, access := newJoinText(t, newState(t)), newAccessText(t)
	parse := map[string]func(string) error{
		join:   func(s string) error { _, err := ParseJoinToken(s); return err },
		access: func(s string) error { _, err := accessKind.read(s); return err },
	}
	for text, read := range parse {
		if err := read(text); err != nil {
			t.Fatal(err)
		}
		for _, bad := range mistyped(text) {
			if read(bad) == nil {
				t.Fatalf("%q was read; it is %q mistyped", bad, text)
			}
		}
	}
}

func mistyped(text string) (bad []string) {
	for i := range text {
		bad = append(bad, text[:i])
		for _, c := range "abcdefghijklmnopqrstuvwxyz234567_A0 \x00" {
			if c != rune(text[i]) {
				bad = append(bad, text[:i]+string(c)+text[i+1:])
			}
		}
		if i > 0 && text[i] != text[i-1] {
			bad = append(bad, text[:i-1]+text[i:i+1]+text[i-1:i]+text[i+1:])
		}
	}
	return append(bad, text+"a", text+"\n", " "+text, text+text)
}

func TestWhatIsWrongWithAToken(t *testing.T) {
	join, access := newJoinText(t, newState(t)), newAccessText(t)
	other := byte('a')
	if join[40] == 'a' {
		other = 'b'
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":     {"", "those begin with tarn_join_"},
		"cut":       {join[:60], "cut short: 60 of 148 characters"},
		"longer":    {join + "a", "too long: 149 characters instead of 148"},
		"mistyped":  {join[:40] + string(other) + join[41:], "checksum does not match"},
		"other":     {access, "this is an access token; wanted is a join token"},
		"character": {join[:20] + "0" + join[21:], "character 21 cannot be in one"},
	} {
		_, err := ParseJoinToken(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v; want %q", name, err, c.want)
		}
		if err != nil && len(c.text) > 30 && strings.Contains(err.Error(), c.text[10:30]) {
			t.Errorf("%s: the error repeats the token: %v", name, err)
		}
	}
}

func TestTokenOfALaterVersion(t *testing.T) {
	payload := append([]byte{tokenVersion + 1}, make([]byte, idSize+secretSize)...)
	sum := accessKind.checksum(payload)
	payload = append(payload, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
	_, err := accessKind.read(accessKind.prefix + letters.EncodeToString(payload))
	wantError(t, err, wire.Unsupported, "version 2", "newer tarn")
}

func FuzzAccessToken(f *testing.F) {
	s := newState(f)
	text, record, err := NewAccessToken(noon, rand.Reader, "etl", Writer, 0)
	if err != nil {
		f.Fatal(err)
	}
	if s, err = s.WithToken(noon, record); err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:20])
	f.Add("tarn_token_")
	f.Fuzz(func(t *testing.T, in string) {
		p, err := s.Authenticate(noon, in)
		if (err == nil) != (in == text) {
			t.Errorf("%q: %v, %v", in, p, err)
		}
		if err != nil && !wire.IsCode(err, wire.Unauthenticated) {
			t.Errorf("%q: %v", in, err)
		}
	})
}

func FuzzJoinToken(f *testing.F) {
	text := newJoinText(f, newState(f))
	f.Add(text)
	f.Add(text[:50])
	f.Add("tarn_join_")
	f.Fuzz(func(t *testing.T, in string) {
		j, err := ParseJoinToken(in)
		if err == nil && (j.text != in || !credential.IsUUID(j.Cluster) || len(j.ID) != 8) {
			t.Errorf("%q was read as %+v", in, j)
		}
	})
}
