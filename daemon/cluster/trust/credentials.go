package trust

import (
	"context"
	"errors"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// Credentials returns what a gRPC server needs to take connections of a
// Splitter, whose handshake is done, and to tell Guard about them. It takes
// no others.
func Credentials() credentials.TransportCredentials { return shaken{} }

// shaken are the credentials of connections that have shaken hands already.
type shaken struct{}

// connInfo carries the connection to the calls on it.
type connInfo struct {
	credentials.CommonAuthInfo
	conn *Conn
}

// AuthType is that of credentials.AuthInfo.
func (connInfo) AuthType() string { return "tls" }

var errNotSplit = errors.New("the connection does not come from the splitter of the port")

func (shaken) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, ok := raw.(*Conn)
	if !ok {
		return nil, nil, errNotSplit
	}
	common := credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}
	return conn, connInfo{CommonAuthInfo: common, conn: conn}, nil
}

func (shaken) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these credentials are a server's")
}

func (shaken) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

func (s shaken) Clone() credentials.TransportCredentials { return s }

func (shaken) OverrideServerName(string) error { return nil }

// connOf returns the connection of a call; nil if it came without a Splitter.
func connOf(ctx context.Context) *Conn {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(connInfo)
	if !ok {
		return nil
	}
	return info.conn
}
