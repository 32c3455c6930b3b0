package peer

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members/memberstest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// TestEveryCallHasARule: all calls are for nodes only. Package trust sees to it
// that there are no other rules.
func TestEveryCallHasARule(t *testing.T) {
	rules, err := os.ReadFile("../cluster/trust/rules.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range service.Methods {
		names = append(names, m.MethodName)
	}
	for _, s := range service.Streams {
		names = append(names, s.StreamName)
	}
	for _, name := range names {
		if !strings.Contains(string(rules), `peerService + "`+name+`":`) {
			t.Errorf("call %s has no rule in package trust", name)
		}
	}
	if got := strings.Count(string(rules), "peerService + "); got != len(names) {
		t.Errorf("%d rules for %d calls", got, len(names))
	}
	if !strings.Contains(string(rules), `"/`+ServiceName+`/"`) {
		t.Errorf("the rules are not for %s", ServiceName)
	}
}

func TestPing(t *testing.T) {
	c := newCluster(t, 2)
	got, err := c.nodes["n1"].client.Ping(t.Context(), "n2", 0, false)
	if shows := time.Unix(0, got.Clock); time.Since(shows).Abs() > time.Hour {
		t.Errorf("its clock shows %v", shows)
	}
	got.Clock = 0
	if want := (Pong{Node: "n2", Epoch: 2, Version: "v1", Speaks: catalog.BuildSpeaks(), Index: c.State().Index()}); got != want || err != nil {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestCatalogCalls(t *testing.T) {
	c := newCluster(t, 2)
	client := c.nodes["n1"].client
	for _, size := range []int{0, 1, 5 << 20} {
		entry := string(content(1, size))
		index, err := client.Propose(t.Context(), "n2", []byte(entry))
		n := len(c.nodes["n2"].applied)
		if err != nil || index != uint64(1000+n) || string(c.nodes["n2"].applied[n-1]) != entry {
			t.Errorf("an entry of %d bytes: index %d, %v", size, index, err)
		}
	}
	_, err := client.Propose(t.Context(), "n2", []byte("full"))
	if e := wire.FromError(err); e.Code != wire.DiskFull || e.Hint != "make some" {
		t.Errorf("got %v; want the leader's error", err)
	}
	if index, err := client.ReadIndex(t.Context(), "n2"); index != 77 || err != nil {
		t.Errorf("got %d, %v; want 77", index, err)
	}
	if _, err := client.ReadIndex(t.Context(), "n9"); !wire.IsCode(err, wire.Unavailable) {
		t.Errorf("a node that nobody knows: got %v; want %s", err, wire.Unavailable)
	}
	c.nodes["n2"].server.Stop()
	if _, err := client.Propose(t.Context(), "n2", nil); !wire.IsCode(err, wire.Unavailable) {
		t.Errorf("a node that is down: got %v; want %s", err, wire.Unavailable)
	}
}

// TestWhoMayCall: of another cluster, for another node, of a life that is over
// or has not begun.
func TestWhoMayCall(t *testing.T) {
	c := newCluster(t, 3)
	good := caller{cluster: memberstest.Cluster, node: "n1", to: "n2", epoch: 1}
	change := func(f func(*caller)) caller {
		other := good
		f(&other)
		return other
	}
	c.apply(catalog.Command{OpenEpoch: &catalog.OpenEpoch{Node: "n3"}}) // 4
	c.apply(catalog.Command{SetNodeState: &catalog.SetNodeState{Node: "n3", State: catalog.NodeLost}})
	for name, test := range map[string]struct {
		caller       caller
		ping, member bool
	}{
		"good":          {good, true, true},
		"cluster":       {change(func(c *caller) { c.cluster = "other" }), false, false},
		"node":          {change(func(c *caller) { c.to = "n3" }), false, false},
		"stale":         {change(func(c *caller) { c.node, c.epoch = "n3", 3 }), false, false},
		"lost":          {change(func(c *caller) { c.node, c.epoch = "n3", 4 }), false, false},
		"not yet begun": {change(func(c *caller) { c.epoch = 0 }), true, false},
		"newer":         {change(func(c *caller) { c.epoch = 9 }), true, true}, // than this node has heard
	} {
		ctx := test.caller.on(t.Context())
		if err := invoke(ctx, c, ping, empty{}, nil); (err == nil) != test.ping || err != nil && !wire.IsCode(err, wire.Conflict) {
			t.Errorf("%s: ping %v", name, err)
		}
		want := wire.Conflict
		if test.member {
			want = wire.MemberNotFound
		}
		if err := invoke(ctx, c, statMember, memberHeader{"n2d1", "00000001-00000001.seg"}, nil); !wire.IsCode(err, want) {
			t.Errorf("%s: stat %v; want %s", name, err, want)
		}
		for stream, in := range map[string]any{
			createMember: memberHeader{"n2d1", "00000001-00000001.seg"},
			readMember:   rangeHeader{memberHeader{"n2d1", "00000001-00000001.seg"}, 0, 10},
		} {
			_, err := talk(ctx, c, stream, message(t, in, nil))
			if wire.IsCode(err, wire.Conflict) == test.member {
				t.Errorf("%s: %s %v", name, stream, err)
			}
		}
	}
}

// TestLifeEndsWhileWriting: a zombie's member is not taken, however long ago it
// began.
func TestLifeEndsWhileWriting(t *testing.T) {
	c := newCluster(t, 2)
	w, err := c.remote().Create(t.Context(), catalog.SegmentFile(c.NewID("n1")))
	if err == nil {
		_, err = w.Write(content(1, maxChunk))
	}
	if err != nil {
		t.Fatal(err)
	}
	c.apply(catalog.Command{OpenEpoch: &catalog.OpenEpoch{Node: "n1"}})
	if _, err := w.Commit(); !wire.IsCode(err, wire.Conflict) {
		t.Errorf("got %v; want %s", err, wire.Conflict)
	}
	c.nodes["n2"].empty()
}

func TestMetadataOfCalls(t *testing.T) {
	c := newCluster(t, 2)
	whole := []string{keyCluster, memberstest.Cluster, keyNode, "n1", keyTo, "n2", keyHello, catalog.Hello{}.String(), keyEpoch, "1"}
	for name, pairs := range map[string][]string{
		"none": nil, "no cluster": whole[2:], "no epoch": whole[:8], "twice": append(whole[:10:10], keyNode, "n1"),
		"epoch": append(whole[:9:9], "-1"), "large epoch": append(whole[:9:9], "4294967296"),
		"hello": append(append(whole[:7:7], "x"), whole[8:]...),
	} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), pairs...)
		if err := invoke(ctx, c, ping, empty{}, nil); !wire.IsCode(err, wire.InvalidArgument) {
			t.Errorf("%s: got %v; want %s", name, err, wire.InvalidArgument)
		}
	}
}

// TestStrangersAreRefused: a node whose catalog went another way, or that is too
// old for the cluster, and the node learns of it.
func TestStrangersAreRefused(t *testing.T) {
	c := newCluster(t, 2)
	own := catalog.Hello{Lineage: "1-x", Speaks: catalog.Speaks{Oldest: 1, Newest: 2}, Protocol: 2}
	met := make(chan catalog.Hello, 10)
	c.nodes["n2"].restart(ServerConfig{Hello: func() catalog.Hello { return own }, Foreign: func(h catalog.Hello, _ error) { met <- h }})
	for _, test := range []struct {
		hello catalog.Hello
		want  wire.Code
	}{
		{own, ""},
		{catalog.Hello{Lineage: "0", Speaks: own.Speaks, Protocol: 1}, wire.Conflict},
		{catalog.Hello{Lineage: "1-x", Speaks: catalog.Speaks{Oldest: 1, Newest: 1}, Protocol: 1}, wire.Unsupported},
	} {
		ctx := caller{cluster: memberstest.Cluster, node: "n1", to: "n2", hello: test.hello, epoch: 1}.on(t.Context())
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		err := dialTo(t, c).Invoke(ctx, method(ping), message(t, empty{}, nil), new(frame))
		cancel()
		if test.want == "" && (err != nil || len(met) > 0) || test.want != "" && (!wire.IsCode(err, test.want) || len(met) != 1 || <-met != test.hello) {
			t.Errorf("%q: %v; want %q, and that the node is told", test.hello, err, test.want)
		}
	}
}

// TestBadMessages: whatever the bytes, the answer is an error, and the node
// goes on.
func TestBadMessages(t *testing.T) {
	c := newCluster(t, 2)
	c.Put("n2d1", catalog.SegmentFile(catalog.NewSegmentID(1, 1)), content(1, 100))
	ctx := caller{cluster: memberstest.Cluster, node: "n1", to: "n2", epoch: 1}.on(t.Context())
	raw := func(text string) *frame { return &frame{DataHeader: []byte(text)} }
	file := memberHeader{"n2d1", "00000001-00000002.seg"}
	begin, chunk := message(t, file, nil), func(n int) *frame { return &frame{DataBody: make([]byte, n)} }
	for name, test := range map[string]struct {
		call string
		in   []*frame
	}{
		"no header":          {createMember, []*frame{chunk(10)}},
		"no JSON":            {createMember, []*frame{raw("{")}},
		"two headers":        {createMember, []*frame{raw("{}{}")}},
		"other JSON":         {createMember, []*frame{raw("[1]")}},
		"long header":        {createMember, []*frame{raw(`{"disk":"` + strings.Repeat("x", maxHeader) + `"}`)}},
		"no disk":            {createMember, []*frame{message(t, memberHeader{"", file.File}, nil)}},
		"path":               {createMember, []*frame{message(t, memberHeader{"n2d1", "../../etc/passwd"}, nil)}},
		"header with bytes":  {createMember, []*frame{message(t, file, []byte("x"))}},
		"long chunk":         {createMember, []*frame{begin, chunk(maxChunk + 1)}},
		"too few bytes":      {createMember, []*frame{begin, chunk(10), message(t, endHeader{11}, nil)}},
		"too many bytes":     {createMember, []*frame{begin, chunk(10), message(t, endHeader{-1}, nil)}},
		"no end":             {createMember, []*frame{begin, chunk(10)}},
		"read: no header":    {readMember, []*frame{chunk(0)}},
		"read: negative":     {readMember, []*frame{message(t, rangeHeader{memberHeader{"n2d1", "00000001-00000001.seg"}, -1, 10}, nil)}},
		"read: short":        {readMember, []*frame{message(t, rangeHeader{memberHeader{"n2d1", "00000001-00000001.seg"}, 0, -10}, nil)}},
		"read: long":         {readMember, []*frame{message(t, rangeHeader{memberHeader{"n2d1", "00000001-00000001.seg"}, 0, 1 << 62}, nil)}},
		"read: no such file": {readMember, []*frame{message(t, rangeHeader{file, 0, 10}, nil)}},
	} {
		if _, err := talk(ctx, c, test.call, test.in...); err == nil || wire.IsCode(err, wire.Internal) {
			t.Errorf("%s: got %v; want an error that says what is wrong", name, err)
		}
	}
	far := message(t, rangeHeader{memberHeader{"n2d1", "00000001-00000001.seg"}, 1 << 40, maxRead}, nil)
	if out, err := talk(ctx, c, readMember, far); err != nil || len(out) > 0 {
		t.Errorf("past the end: got %d messages, %v; want none", len(out), err)
	}
	if err := invoke(ctx, c, statMember, file, make([]byte, 1)); !wire.IsCode(err, wire.LimitExceeded) {
		t.Errorf("bytes that do not belong: got %v; want %s", err, wire.LimitExceeded)
	}
}

// TestNoCallWithoutDeadline: what waits for ever is held for ever.
func TestNoCallWithoutDeadline(t *testing.T) {
	c := newCluster(t, 2)
	ctx := caller{cluster: memberstest.Cluster, node: "n1", to: "n2", epoch: 1}.on(context.Background())
	in := message(t, empty{}, nil)
	if err := dialTo(t, c).Invoke(ctx, method(ping), in, new(frame)); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("got %v; want %s", err, wire.InvalidArgument)
	}
}

// TestSilentWriter: a writer of which nothing is heard is given up.
func TestSilentWriter(t *testing.T) {
	c := newCluster(t, 2)
	c.nodes["n2"].restart(ServerConfig{Idle: 20 * time.Millisecond})
	ctx := caller{cluster: memberstest.Cluster, node: "n1", to: "n2", epoch: 1}.on(t.Context())
	stream, err := dialTo(t, c).NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, method(createMember))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.SendMsg(message(t, memberHeader{"n2d1", "00000001-00000001.seg"}, nil)); err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(new(frame)); !wire.IsCode(err, wire.DeadlineExceeded) {
		t.Errorf("got %v; want %s", err, wire.DeadlineExceeded)
	}
}

func message(t *testing.T, header any, body []byte) *frame {
	t.Helper()
	f, err := newFrame(header, body)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// dialTo connects to n2 without a Client.
func dialTo(t testing.TB, c *cluster) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///n2:1", grpc.WithContextDialer(c.dial), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(wire.Codec())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// invoke makes a call of one message to n2.
func invoke(ctx context.Context, c *cluster, name string, header any, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	in, err := newFrame(header, body)
	if err != nil {
		return err
	}
	return dialTo(c.t, c).Invoke(ctx, method(name), in, new(frame))
}

// talk sends messages to n2 and returns what comes back.
func talk(ctx context.Context, c *cluster, name string, in ...*frame) (out []*frame, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	stream, err := dialTo(c.t, c).NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method(name))
	if err != nil {
		return nil, err
	}
	for _, f := range in {
		if err := stream.SendMsg(f); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	for {
		f := new(frame)
		switch err := stream.RecvMsg(f); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return out, err
		}
		out = append(out, f)
	}
}

// FuzzHeader: whatever the bytes of a header, it is one that is within its
// limits, or an error; and what was read is written and read the same.
func FuzzHeader(f *testing.F) {
	for _, h := range []any{
		memberHeader{"n2d1", "00000001-00000001.seg"}, rangeHeader{memberHeader{"d", "00000001-00000001.p3"}, 5, 7},
		trashHeader{memberHeader{"d", "x"}, 9}, endHeader{12}, receiptHeader{1, "00"}, indexHeader{7}, Pong{"n", 3, "v", catalog.BuildSpeaks(), 9, 11}, pingHeader{true, -5},
	} {
		b, err := json.Marshal(h)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, 0)
	}
	f.Add([]byte("{}{}"), 1)
	f.Fuzz(func(t *testing.T, header []byte, body int) {
		in := &frame{DataHeader: header, DataBody: make([]byte, max(0, min(body, 100)))}
		if h, err := decode[rangeHeader](in, 10); err == nil {
			if len(in.DataBody) > 10 || len(header) > maxHeader {
				t.Fatal("over the limits")
			}
			again(t, h)
			if h.check() == nil && (h.Offset < 0 || h.Length < 0 || h.Length > maxRead || h.Offset+h.Length < h.Offset) {
				t.Fatalf("range %+v was let pass", h)
			}
			if file, err := h.member(); err == nil && file.String() != h.File {
				t.Fatalf("file %q was read as %q", h.File, file)
			}
		}
		if h, err := decode[trashHeader](in, 10); err == nil {
			again(t, h)
		}
		if h, err := decode[Pong](in, 10); err == nil {
			again(t, h)
		}
		if h, err := decode[pingHeader](in, 10); err == nil {
			again(t, h)
		}
	})
}

func again[H comparable](t *testing.T, h H) {
	f, err := newFrame(h, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.DataHeader) > maxHeader {
		return // what was escaped got longer
	}
	if got, err := decode[H](f, 0); err != nil || got != h {
		t.Fatalf("%+v was read as %+v, %v", h, got, err)
	}
}
