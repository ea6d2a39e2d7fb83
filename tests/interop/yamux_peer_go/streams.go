package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand"
	"time"

	"github.com/hashicorp/yamux"
)

func keep(stream *yamux.Stream, err error) (answer, error) {
	if err != nil {
		return nil, err
	}
	streams.Store(int(stream.StreamID()), stream)
	return answer{"stream": stream.StreamID()}, nil
}

func upTo(size int, piece []byte) []byte {
	if size < len(piece) {
		return piece[:size]
	}
	return piece
}

// write sends so many bytes that the seed decides.
func write(stream *yamux.Stream, size int, seed int64) (answer, error) {
	source, hash, sent := rand.New(rand.NewSource(seed)), sha256.New(), 0
	piece := make([]byte, 64*1024)
	for sent < size {
		part := upTo(size-sent, piece)
		_, _ = source.Read(part)
		count, err := stream.Write(part)
		_, _ = hash.Write(part[:count])
		sent += count
		if err != nil {
			return answer{"size": sent}, err
		}
	}
	return answer{"size": sent, "hash": hex.EncodeToString(hash.Sum(nil))}, nil
}

// read takes so many bytes, or all up to the end if size is negative. Once this side has closed the
// stream, this yamux tells an end whenever it has nothing to read, so a wanted size overrules it.
func read(stream *yamux.Stream, size int) (answer, error) {
	hash, got, ended := sha256.New(), 0, false
	piece := make([]byte, 64*1024)
	for size < 0 || got < size {
		part := piece
		if size >= 0 {
			part = upTo(size-got, piece)
		}
		count, err := stream.Read(part)
		_, _ = hash.Write(part[:count])
		got += count
		ended = err == io.EOF
		switch {
		case ended && size < 0:
			size = got
		case ended && !session.IsClosed():
			time.Sleep(time.Millisecond)
		case err != nil:
			return answer{"size": got}, err
		}
	}
	return answer{"size": got, "hash": hex.EncodeToString(hash.Sum(nil)), "ended": ended}, nil
}

// echo gives back what comes on every stream that the peer opens, and closes each after its end.
func echo() {
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(stream, stream)
			_ = stream.Close()
		}()
	}
}

// pingpong sends a message and waits for its echo on so many streams, 64 at once.
func pingpong(count, size int) (answer, error) {
	results := make(chan error, count)
	for worker := 0; worker < 64; worker++ {
		go func(number int) {
			for ; number < count; number += 64 {
				results <- one(number, size)
			}
		}(worker)
	}
	for done := 0; done < count; done++ {
		if err := <-results; err != nil {
			return nil, err
		}
	}
	return answer{"count": count}, nil
}

func one(number, size int) error {
	stream, err := session.OpenStream()
	if err != nil {
		return err
	}
	defer stream.Close()
	sent, got := bytes.Repeat([]byte{byte(number)}, size), make([]byte, size)
	if _, err = stream.Write(sent); err != nil {
		return err
	}
	if _, err = io.ReadFull(stream, got); err == nil && !bytes.Equal(sent, got) {
		err = fmt.Errorf("stream %d gave back something else", stream.StreamID())
	}
	return err
}
