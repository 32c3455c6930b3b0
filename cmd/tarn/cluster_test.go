package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTokens(t *testing.T) {
	c, _ := newGuarded(t)
	c.env["TARN_CERT"] = filepath.Join(c.dir, "admin.pem")
	r := c.run("token", "create", "nightly", "--role", "writer", "--for", "90d")
	r.matches("^tarn_token_[a-z2-7]+$")
	token := strings.TrimSpace(r.out)
	c.run("token", "list").matches("^nightly,writer,", "^dashboard,reader,")
	c.run("token", "create", "nightly").fails(8, "there is a token nightly already")

	c.write("ca2.pem", c.run("cluster", "ca").out)
	show := "--token=" + token + " --ca=" + filepath.Join(c.dir, "ca2.pem")
	c.with("", show).matches("writer nightly")
	admin := "TARN_CERT=" + filepath.Join(c.dir, "admin.pem")
	c.with(admin, "").matches("admin root")
	c.run("token", "revoke", "nightly").ok("")
	c.with("", show).fails(13, "was revoked")
}

func TestIssue(t *testing.T) {
	c, _ := newGuarded(t)
	c.env["TARN_CERT"] = filepath.Join(c.dir, "admin.pem")
	c.run("cluster", "cert", "issue", "load", "--role", "writer", "--out", "@load.pem").ok("")
	info, err := os.Stat(filepath.Join(c.dir, "load.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v; want a file that only its owner reads", info, err)
	}
	c.run("status", "--cert", "@load.pem").matches("writer load")
	c.run("cluster", "cert", "issue", "load", "--out", "@load.pem").fails(2, "there already")
	c.run("cluster", "cert", "list").matches("^load,writer,.*,,", "^root,admin,")
	c.run("cluster", "cert", "revoke", "load").ok("")
	c.run("cluster", "cert", "list").matches("^load,writer,.*,revoked,")
	c.run("status", "--cert", "@load.pem").fails(13, "was revoked")
	c.run("cluster", "cert", "revoke", "root").fails(8, "the last admin", "--force")

	// What is not issued leaves no file.
	c.run("cluster", "cert", "issue", "../x", "--out", "@x.pem").fails(2, "cannot be the name of a client")
	c.run("cluster", "cert", "issue", "x", "--role", "node", "--out", "@x.pem").fails(2, "--role", "reader, writer or admin")
	c.run("cluster", "cert", "issue", "x", "--cert", "@etl.pem", "--out", "@x.pem").fails(15, "etl is a writer")
	if _, err := os.Stat(filepath.Join(c.dir, "x.pem")); !os.IsNotExist(err) {
		t.Errorf("a file without a certificate is left: %v", err)
	}
	c.run("cluster", "cert", "issue", "x").fails(2, "--out")
}

func TestJoinToken(t *testing.T) {
	c, g := newGuarded(t)
	c.env["TARN_CERT"] = filepath.Join(c.dir, "admin.pem")
	c.run("cluster", "token", "--uses", "3", "--for", "1h").matches("^tarn_join_[a-z2-7]+$")
	for _, j := range g.State().Joins {
		if j.Uses != 3 {
			t.Errorf("a token for %d nodes; want 3", j.Uses)
		}
	}
	c.run("cluster", "token", "--for", "soon").fails(2, "--for")
	c.run("cluster", "token", "--uses", "0").fails(2, "--uses 0")
	c.run("cluster", "token", "--cert", "@etl.pem").fails(15, "takes a admin")
}

func TestNodes(t *testing.T) {
	c, g := newGuarded(t)
	c.env["TARN_CERT"] = filepath.Join(c.dir, "admin.pem")
	c.run("node", "list").matches("^n1,up,,leader,", "^n2,down,.*,silent,$")
	c.run("node", "drain", "n2").ok("")
	c.run("node", "remove", "n2").ok("")
	if want := []string{"tarn.node.drain n2", "tarn.node.remove n2"}; !slices.Equal(g.asked, want) {
		t.Errorf("asked for %q; want %q", g.asked, want)
	}
	c.run("node", "drain").fails(2, "tarn node drain NODE")
}
