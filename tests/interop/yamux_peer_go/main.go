// A Yamux peer of hashicorp/yamux for the tests, told what to do by lines of JSON on stdin.
//
//	yamux_peer dial PORT OPTIONS    is the Yamux client of that port on 127.0.0.1
//	yamux_peer listen 0 OPTIONS     prints {"port": …}, then is the Yamux server of one connection
//
// OPTIONS is JSON: {"keepalive": SECONDS, "timeout": SECONDS, "backlog": STREAMS}. Each command has
// an "id", which its answer repeats, and an "op": `run` has all of those. Commands run at the same
// time; what they do on streams is in streams.go. The process ends with stdin.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

type options struct {
	Keepalive, Timeout float64
	Backlog            int
}

type command struct {
	ID, Stream, Size, Count int
	Seed                    int64
	Op                      string
}

type answer map[string]any

var (
	session *yamux.Session
	streams sync.Map // id as int: *yamux.Stream
	output  sync.Mutex
)

func tell(value answer) {
	output.Lock()
	defer output.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(value)
}

func connect(role, port string) (net.Conn, error) {
	if role == "dial" {
		return net.Dial("tcp", "127.0.0.1:"+port)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	tell(answer{"port": listener.Addr().(*net.TCPAddr).Port})
	return listener.Accept()
}

func begin(role, port, text string) error {
	var chosen options
	if err := json.Unmarshal([]byte(text), &chosen); err != nil {
		return err
	}
	config := yamux.DefaultConfig()
	config.LogOutput = io.Discard
	config.AcceptBacklog = chosen.Backlog
	config.EnableKeepAlive = chosen.Keepalive > 0
	if config.EnableKeepAlive {
		config.KeepAliveInterval = time.Duration(chosen.Keepalive * float64(time.Second))
	}
	config.ConnectionWriteTimeout = time.Duration(chosen.Timeout * float64(time.Second))
	conn, err := connect(role, port)
	if err != nil {
		return err
	}
	if role == "dial" {
		session, err = yamux.Client(conn, config)
	} else {
		session, err = yamux.Server(conn, config)
	}
	return err
}

func run(c command) (answer, error) {
	switch c.Op {
	case "open":
		return keep(session.OpenStream())
	case "accept":
		return keep(session.AcceptStream())
	case "echo":
		go echo()
		return nil, nil
	case "pingpong":
		return pingpong(c.Count, c.Size)
	case "ping":
		_, err := session.Ping()
		return nil, err
	case "go_away":
		return nil, session.GoAway()
	case "shutdown":
		return nil, session.Close()
	case "closed":
		<-session.CloseChan()
		return nil, nil
	}
	found, ok := streams.Load(c.Stream)
	if !ok {
		return nil, fmt.Errorf("no stream %d", c.Stream)
	}
	stream := found.(*yamux.Stream)
	switch c.Op {
	case "write":
		return write(stream, c.Size, c.Seed)
	case "read":
		return read(stream, c.Size)
	case "close":
		return nil, stream.Close()
	}
	return nil, fmt.Errorf("no command %q", c.Op)
}

func main() {
	if err := begin(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go func() {
			result, err := run(c)
			told := answer{"id": c.ID}
			for key, value := range result {
				told[key] = value
			}
			if err != nil {
				told["error"] = err.Error()
			}
			tell(told)
		}()
	}
}
