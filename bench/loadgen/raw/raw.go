// Package raw is a gRPC codec that does not look into messages. With it neither the load
// generator nor its peer needs generated code, and neither spends time on decoding.
package raw

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// Message is an encoded message: what is sent, or the size of what arrived.
type Message struct {
	Bytes []byte // to be sent; left alone on receipt
	Size  int    // of the message received, in bytes
	Keep  bool   // copy what is received into Bytes
}

// Codec passes the bytes of a *Message through. It answers to the name "proto", so that the
// content type is what any gRPC server expects.
type Codec struct{}

var _ encoding.CodecV2 = Codec{}

// Name is the content subtype.
func (Codec) Name() string { return "proto" }

// Marshal hands out the bytes as they are.
func (Codec) Marshal(value any) (mem.BufferSlice, error) {
	message, ok := value.(*Message)
	if !ok {
		return nil, fmt.Errorf("raw codec: cannot send a %T", value)
	}
	return mem.BufferSlice{mem.SliceBuffer(message.Bytes)}, nil
}

// Unmarshal notes the size, and copies the bytes only when asked to.
func (Codec) Unmarshal(data mem.BufferSlice, value any) error {
	message, ok := value.(*Message)
	if !ok {
		return fmt.Errorf("raw codec: cannot receive a %T", value)
	}
	message.Size = data.Len()
	if message.Keep {
		message.Bytes = data.Materialize()
	}
	return nil
}
