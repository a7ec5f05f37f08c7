// Loadgen opens many server streams over a few connections and measures how fast each hears of
// a change. It knows no message type: requests come in hexadecimal, answers are only counted; unless
// -decode asks for the first answers to be read in full.
//
// It reports on standard output, one JSON object a line, and takes one command a line on
// standard input:
//
//	change [N]  a wave begins: prints "armed" at once, and "changed" when every stream that
//	            reads has N (1) messages more, or has ended
//	pause N     the first N streams stop reading
//	resume      they read again
//	status      prints counters
//	quit        closes all streams and ends; so does the end of standard input
//
// After the start it prints "first" when every stream has its first message or has ended.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

func parseFlags() (options, time.Duration, error) {
	var o options
	var requests string
	var streamWindow, connWindow int
	flag.StringVar(&o.target, "target", "127.0.0.1:8086", "host:port of the server")
	flag.StringVar(&o.method, "method", "/io.linkerd.proxy.destination.Destination/Get", "full method name")
	flag.IntVar(&o.streams, "streams", 1, "streams to open")
	flag.IntVar(&o.connections, "connections", 1, "connections to spread them over")
	flag.StringVar(&requests, "requests", "", "file of requests in hexadecimal, one a line, given out in turn")
	flag.IntVar(&streamWindow, "stream-window", 65535, "HTTP/2 window of a stream, in bytes")
	flag.IntVar(&connWindow, "connection-window", 1<<20, "HTTP/2 window of a connection, in bytes")
	flag.BoolVar(&o.keepLast, "keep-last", false, "compare each stream's last message (status: distinct_last)")
	flag.BoolVar(&o.decode, "decode", false, "decode each stream's first message, a Destination Update, as a proxy does")
	patience := flag.Duration("connect-timeout", 30*time.Second, "how long to wait for the connections")
	flag.Parse()
	o.streamWindow, o.connWindow = int32(streamWindow), int32(connWindow)
	lines, err := os.ReadFile(requests)
	if err != nil {
		return o, 0, fmt.Errorf("-requests: %w", err)
	}
	o.requests = [][]byte{}
	for _, text := range strings.Split(string(lines), "\n") {
		request, err := hex.DecodeString(text)
		if err != nil {
			return o, 0, fmt.Errorf("-requests: %q is not hexadecimal: %w", text, err)
		}
		o.requests = append(o.requests, request)
	}
	if o.streams < 1 || o.connections < 1 {
		return o, 0, fmt.Errorf("-streams and -connections must be at least 1")
	}
	return o, *patience, nil
}

func run(stdin io.Reader, stdout io.Writer) error {
	o, patience, err := parseFlags()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f := newFleet(o)
	dial, stop := context.WithTimeout(ctx, patience)
	err = f.connect(dial)
	stop()
	if err != nil {
		return err
	}
	out := &printer{encoder: json.NewEncoder(stdout)}
	out.print(map[string]any{"event": "connected", "connections": o.connections})
	go out.follow(f.openAll(ctx))
	err = obey(f, bufio.NewScanner(stdin), out)
	f.close(cancel)
	return err
}

// obey carries out commands until there are no more.
func obey(f *fleet, lines *bufio.Scanner, out *printer) error {
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		count := 1
		if len(words) > 1 {
			number, err := strconv.Atoi(words[1])
			if err != nil || number < 0 || number > f.streams && words[0] == "pause" {
				return fmt.Errorf("command %q: bad number", lines.Text())
			}
			count = number
		}
		switch words[0] {
		case "change":
			w := f.begin(int32(count))
			out.print(map[string]any{"event": "armed", "streams": w.left.Load()})
			go out.follow(w)
		case "pause":
			f.pause(count)
			out.print(f.status())
		case "resume":
			f.resume()
			out.print(f.status())
		case "status":
			out.print(f.status())
		case "quit":
			return nil
		default:
			return fmt.Errorf("unknown command %q", words[0])
		}
	}
	return lines.Err()
}

// A printer writes one JSON object a line, from several goroutines.
type printer struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func (p *printer) print(value any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.encoder.Encode(value); err != nil {
		os.Exit(0) // nobody listens any more
	}
}

// follow reports a wave when it is over.
func (p *printer) follow(w *wave) {
	before := cpuTime()
	<-w.done
	report := w.report()
	report.ClientCPUMs = float64(cpuTime()-before) / 1e6
	p.print(report)
}

// cpuTime is what this process has used so far, user and system.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
