package credential

import (
	"crypto/x509"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestIdentityIsReadStrictly(t *testing.T) {
	cluster, node := uuid.NewString(), uuid.NewString()
	for text, ok := range map[string]bool{
		"tarn://" + cluster + "/node/" + node:          true,
		"tarn://" + cluster + "/reader/a.b@c-d":        true,
		"tarn://" + cluster + "/node/n1":               false,
		"tarn://" + cluster + "/root/etl":              false,
		"tarn://" + cluster + "/reader/":               false,
		"tarn://" + cluster + "/reader/a/b":            false,
		"tarn://" + cluster + "/reader/a%2Fb":          false,
		"tarn://" + cluster + "/reader/%61":            false,
		"tarn://" + cluster + "/reader/a?x":            false,
		"tarn://" + cluster + "/reader/a#x":            false,
		"tarn://u@" + cluster + "/reader/a":            false,
		"tarn://" + cluster + ":1/reader/a":            false,
		"https://" + cluster + "/reader/a":             false,
		"tarn://lake/reader/a":                         false,
		"tarn://" + cluster + "/node/{" + node + "}":   false,
		"tarn://" + cluster + "/node/urn:uuid:" + node: false,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		id, err := IdentityOf(&x509.Certificate{URIs: []*url.URL{u}})
		if (err == nil) != ok {
			t.Errorf("%s: %v, %v; want it taken: %v", text, id, err, ok)
		}
	}
}

func FuzzIdentity(f *testing.F) {
	f.Add("tarn://" + uuid.NewString() + "/node/" + uuid.NewString())
	f.Add("tarn://" + uuid.NewString() + "/reader/a.b@c")
	f.Fuzz(func(t *testing.T, in string) {
		u, err := url.Parse(in)
		if err != nil {
			return
		}
		id, err := IdentityOf(&x509.Certificate{URIs: []*url.URL{u}})
		if err == nil && (id.Check() != nil || id.URI().String() != strings.Replace(in, in[:len(scheme)], scheme, 1)) {
			t.Errorf("%q was read as %v", in, id)
		}
	})
}
