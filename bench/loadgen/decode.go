package main

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// An endpoint is what a proxy makes of a WeightedAddr: every field that it uses, checked and set
// apart. The text of a message is copied once; its endpoints' strings are parts of that copy.
type endpoint struct {
	ipv4     uint32
	ipv6     [2]uint64
	port     uint32
	weight   uint32
	labels   []label
	identity string
	server   string
	h2       bool
	opaque   bool
	inbound  uint32
}

type label struct{ name, value string }

var errMalformed = errors.New("malformed message")

// A field is one field of a message: its text, or its number.
type field struct {
	id     protowire.Number
	text   string
	number uint64
}

// each calls take with every field of a message.
func each(message string, take func(field) error) error {
	for len(message) > 0 {
		id, kind, size := protowire.ConsumeTag([]byte(message[:min(len(message), 10)]))
		if size < 0 {
			return errMalformed
		}
		message = message[size:]
		f := field{id: id}
		switch kind {
		case protowire.BytesType:
			length, size := protowire.ConsumeVarint([]byte(message[:min(len(message), 10)]))
			if size < 0 || length > uint64(len(message)-size) {
				return errMalformed
			}
			f.text = message[size : size+int(length)]
			message = message[size+int(length):]
		case protowire.VarintType:
			number, size := protowire.ConsumeVarint([]byte(message[:min(len(message), 10)]))
			if size < 0 {
				return errMalformed
			}
			f.number, message = number, message[size:]
		case protowire.Fixed32Type:
			number, size := protowire.ConsumeFixed32([]byte(message[:min(len(message), 4)]))
			if size < 0 {
				return errMalformed
			}
			f.number, message = uint64(number), message[size:]
		case protowire.Fixed64Type:
			number, size := protowire.ConsumeFixed64([]byte(message[:min(len(message), 8)]))
			if size < 0 {
				return errMalformed
			}
			f.number, message = number, message[size:]
		default:
			return errMalformed
		}
		if err := take(f); err != nil {
			return err
		}
	}
	return nil
}

// decode reads the endpoints of an Update that adds some; none of any other Update.
func decode(update []byte) ([]endpoint, error) {
	var endpoints []endpoint
	err := each(string(update), func(f field) error {
		if f.id != 1 {
			return nil
		}
		return each(f.text, func(f field) error {
			if f.id != 1 {
				return nil
			}
			endpoints = append(endpoints, endpoint{})
			return endpoints[len(endpoints)-1].decode(f.text)
		})
	})
	return endpoints, err
}

func (e *endpoint) decode(text string) error {
	return each(text, func(f field) error {
		switch f.id {
		case 1:
			return e.decodeAddress(f.text)
		case 3:
			e.weight = uint32(f.number)
		case 4:
			return e.decodeLabel(f.text)
		case 5:
			return e.decodeIdentity(f.text)
		case 6:
			return e.decodeHint(f.text)
		}
		return nil
	})
}

func (e *endpoint) decodeAddress(text string) error {
	return each(text, func(f field) error {
		if f.id == 2 {
			e.port = uint32(f.number)
			return nil
		}
		return each(f.text, func(f field) error {
			if f.id == 1 {
				e.ipv4 = uint32(f.number)
				return nil
			}
			return each(f.text, func(f field) error {
				if f.id == 1 || f.id == 2 {
					e.ipv6[f.id-1] = f.number
				}
				return nil
			})
		})
	})
}

func (e *endpoint) decodeLabel(text string) error {
	if e.labels == nil {
		e.labels = make([]label, 0, 12)
	}
	var l label
	err := each(text, func(f field) error {
		if f.id == 1 {
			l.name = f.text
		} else {
			l.value = f.text
		}
		return nil
	})
	e.labels = append(e.labels, l)
	return err
}

func (e *endpoint) decodeIdentity(text string) error {
	return each(text, func(f field) error {
		return each(f.text, func(name field) error {
			if f.id == 4 {
				e.server = name.text
			} else {
				e.identity = name.text
			}
			return nil
		})
	})
}

func (e *endpoint) decodeHint(text string) error {
	return each(text, func(f field) error {
		switch f.id {
		case 1:
			e.h2 = true
		case 2:
			return each(f.text, func(port field) error {
				e.inbound = uint32(port.number)
				return nil
			})
		case 3:
			e.opaque = true
		}
		return nil
	})
}
