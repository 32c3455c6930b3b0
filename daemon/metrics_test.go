package daemon

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tarnlake/tarn/daemon/health"
)

// TestMetricsAreDocumented: the table of the operator's page is what there is,
// names, labels and words.
func TestMetricsAreDocumented(t *testing.T) {
	r := newRackNode(t, 1)
	page, err := os.ReadFile("../docs/operations/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(tarn_\\w+)[^`]*` \\| (?:gauge|counter) \\| (.*) \\|$").FindAllStringSubmatch(string(page), -1) {
		documented[m[1]] = m[2]
	}
	described := make(chan *prometheus.Desc)
	go func() {
		m := newMetrics()
		m.watch(r.node)
		m.registry.Describe(described)
		close(described)
	}()
	exported := map[string]bool{}
	words := regexp.MustCompile(`fqName: "(\w+)", help: "([^"]*)"`)
	for d := range described {
		m := words.FindStringSubmatch(d.String())
		if m == nil || !strings.HasPrefix(m[1], "tarn_") {
			continue
		}
		if exported[m[1]] = true; documented[m[1]] != m[2] {
			t.Errorf("%s is documented as %q; want %q", m[1], documented[m[1]], m[2])
		}
	}
	for name := range documented {
		if !exported[name] {
			t.Errorf("%s is documented and not there", name)
		}
	}
}

// TestScrape: what is scraped is what there is, with the labels and types of
// the page.
func TestScrape(t *testing.T) {
	r := newRackNode(t, 3)
	makeTable(t, r.c)
	r.append(0, 100)
	r.until("all copies", complete)
	m := newMetrics()
	m.watch(r.node)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/operations/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, one := range f.GetMetric() {
			var names []string
			key := f.GetName()
			for _, l := range one.GetLabel() {
				names = append(names, l.GetName())
				key += " " + l.GetValue()
			}
			got[key] = one.GetGauge().GetValue() + one.GetCounter().GetValue()
			row := "| `" + f.GetName()
			if len(names) > 0 {
				row += "{" + strings.Join(names, ",") + "}"
			}
			row += "` | " + strings.ToLower(f.GetType().String()) + " |"
			if strings.HasPrefix(key, "tarn_") && !strings.Contains(string(page), row) {
				t.Errorf("the page has no row %q", row)
			}
		}
	}
	for key, want := range map[string]float64{
		"tarn_survives disk": 2, "tarn_survives node": 0, "tarn_stripes 2": 10, "tarn_stripe_rows 2": 100, "tarn_members_parked": 0,
		"tarn_nodes up": 1, "tarn_disks up": 3, "tarn_disks lost": 0, "tarn_raft_leader": 1, "tarn_raft_voters": 1, "tarn_refused_total": 0,
	} {
		if v, there := got[key]; !there || v != want {
			t.Errorf("%s is %v, %v; want %v", key, v, there, want)
		}
	}
	if got["tarn_catalog_bytes"] <= 0 || got["tarn_raft_term"] < 1 || got["tarn_stripe_bytes 2"] <= 0 {
		t.Errorf("the catalog has %v bytes and term %v, segments %v bytes; want more", got["tarn_catalog_bytes"], got["tarn_raft_term"], got["tarn_stripe_bytes 2"])
	}
}

// TestProbes: a node is ready when it serves, and alive while one of its disks
// is there; when it is not it says why.
func TestProbes(t *testing.T) {
	r := newRackNode(t, 2)
	server := http.NewServeMux()
	server.HandleFunc("/healthz", r.node.healthz)
	server.HandleFunc("/readyz", r.node.readyz)
	want := func(path string, status int, words ...string) {
		t.Helper()
		rec := newRecorder()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		server.ServeHTTP(rec, req)
		if rec.status != status {
			t.Errorf("%s: got %d, %s; want %d", path, rec.status, rec.body.String(), status)
		}
		for _, w := range words {
			if !strings.Contains(rec.body.String(), w) {
				t.Errorf("%s: got %q; want %q in it", path, rec.body.String(), w)
			}
		}
	}
	want("/healthz", 200, "ok")
	want("/readyz", 200, "ready")
	for i, d := range r.disks {
		if err := os.Rename(filepath.Join(d.Path, "medium.json"), filepath.Join(d.Path, "gone")); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			want("/healthz", 200, "ok")
		}
	}
	want("/healthz", 503, "not ok", "disk ")
	for _, d := range r.disks {
		if err := os.Rename(filepath.Join(d.Path, "gone"), filepath.Join(d.Path, "medium.json")); err != nil {
			t.Fatal(err)
		}
	}
	r.node.serving.Store(false)
	epoch := r.node.epoch.Swap(0)
	want("/readyz", 503, "not ready", "serving: ", "epoch: ")
	if p := r.node.health(t.Context()).Problems; len(p) != 1 || p[0].Code != health.NodeUnready {
		t.Errorf("a node that is not ready has the problems %+v; want that", p)
	}
	r.node.epoch.Store(epoch)
	r.node.serving.Store(true)
	want("/readyz", 200, "ready")
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   strings.Builder
}

func newRecorder() *recorder { return &recorder{header: http.Header{}, status: 200} }

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

var _ io.Writer = (*recorder)(nil)
