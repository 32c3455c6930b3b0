package main

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/tarnlake/tarn/client/wire"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// forgetful is a node whose receipts are lost: it answers actions as the node
// behind it does, takes rows and fails.
type forgetful struct {
	flight.BaseFlightServer
	behind flight.Client
	answer error
}

func (f *forgetful) DoAction(a *flight.Action, out flight.FlightService_DoActionServer) error {
	stream, err := f.behind.DoAction(out.Context(), a)
	for err == nil {
		var r *flight.Result
		if r, err = stream.Recv(); err == nil {
			err = out.Send(r)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (f *forgetful) DoPut(in flight.FlightService_DoPutServer) error {
	for {
		if _, err := in.Recv(); err != nil {
			return f.answer
		}
	}
}

// forget puts a forgetful node before c's.
func (c *cli) forget(answer error) {
	c.t.Helper()
	conn, err := grpc.NewClient(c.env["TARN_ADDR"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		c.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	s := grpc.NewServer()
	flight.RegisterFlightServiceServer(s, &forgetful{behind: flight.NewClientFromConn(conn, nil), answer: answer})
	go s.Serve(l)
	c.t.Cleanup(func() { s.Stop(); conn.Close() })
	c.env["TARN_ADDR"] = l.Addr().String()
}

// TestLostReceipt: where the answer is lost nobody says that nothing was
// committed.
func TestLostReceipt(t *testing.T) {
	c := newCLI(t)
	c.run("table", "create", "t", "--schema", "a int64")
	c.write("1.csv", "a\n1\n")
	node := c.env["TARN_ADDR"]
	c.forget(status.Error(codes.Unavailable, "connection reset by peer"))
	r := c.run("ingest", "t", "@1.csv")
	r.fails(12, "all of it was committed, or nothing", "connection reset", "try: tarn table history t")
	if strings.Contains(r.err, "nothing was committed") {
		t.Errorf("it cannot be known that nothing was committed: %s", r.err)
	}
	c.run("ingest", "t", "@1.csv", "--key", "k").fails(12, "run the same command again", "nothing is added twice")
	c.env["TARN_ADDR"] = node
	c.forget(wire.Errorf(wire.Unavailable, "the node is stopping"))
	c.run("ingest", "t", "@1.csv").fails(12, "nothing was committed", "the node is stopping", "run the same command again")
}
