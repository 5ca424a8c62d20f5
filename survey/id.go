package survey

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"
)

// crockford is Crockford's base 32: no I, L, O, U, and byte order is value order.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Prefixes of the ids of each noun.
const (
	SendPrefix     = "snd_"
	AttemptPrefix  = "att_"
	ResponsePrefix = "rsp_"
	EventPrefix    = "evt_"
	MessagePrefix  = "msg_"
	KeyPrefix      = "key_"
	InboundPrefix  = "inb_"
	BatchPrefix    = "bat_"
	UserPrefix     = "usr_"
	CasePrefix     = "cas_"
	ContactPrefix  = "con_"
)

// An IDSource makes ids that sort by the time they were made: 48 bits of Unix milliseconds,
// then 80 random bits, in 26 characters of Crockford's base 32, after a prefix. Ids of one source
// within one millisecond sort in the order they were made. The zero value is ready; safe for
// concurrent use.
//
// Source: https://github.com/ulid/spec
type IDSource struct {
	mu   sync.Mutex
	last int64    // guarded by mu: milliseconds of the last id
	tail [10]byte // guarded by mu: random part of the last id
	pool [400]byte
	left int // guarded by mu: unread bytes of pool
}

// New makes an id of the given prefix for the moment now.
func (s *IDSource) New(prefix string, now time.Time) string {
	var raw [16]byte
	s.mu.Lock()
	ms := now.UnixMilli()
	if ms > s.last {
		s.last = ms
		if s.left < len(s.tail) {
			_, _ = rand.Read(s.pool[:]) // never fails: crypto/rand ends the program instead
			s.left = len(s.pool)
		}
		copy(s.tail[:], s.pool[s.left-len(s.tail):s.left])
		s.left -= len(s.tail)
		s.tail[0] &= 0x7f // room to count up within one millisecond
	} else {
		for i := len(s.tail) - 1; i >= 0; i-- {
			s.tail[i]++
			if s.tail[i] != 0 {
				break
			}
		}
	}
	binary.BigEndian.PutUint64(raw[:8], uint64(s.last)<<16) //nolint:gosec // a time after 1970
	copy(raw[6:], s.tail[:])
	s.mu.Unlock()
	return prefix + encode(raw)
}

// encode writes 128 bits as 26 characters, most significant first.
func encode(raw [16]byte) string {
	hi, lo := binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:])
	var out [26]byte
	for i := 25; i >= 0; i-- {
		out[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out[:])
}

// RawID gives the 128 bits of an id; ok is false when s is not an id of that prefix.
func RawID(prefix, s string) (raw [16]byte, ok bool) {
	if len(s) != len(prefix)+26 || s[:len(prefix)] != prefix {
		return raw, false
	}
	var hi, lo uint64
	for i := len(prefix); i < len(s); i++ {
		v := index(s[i])
		if v < 0 {
			return raw, false
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(v)
	}
	if s[len(prefix)] > '7' { // 26 characters hold 130 bits
		return raw, false
	}
	binary.BigEndian.PutUint64(raw[:8], hi)
	binary.BigEndian.PutUint64(raw[8:], lo)
	return raw, true
}

// MadeAt is when an IDSource made an id, to the millisecond; zero when s is not an id of that prefix.
func MadeAt(prefix, s string) time.Time {
	raw, ok := RawID(prefix, s)
	if !ok {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(raw[:8]) >> 16)).UTC()
}

// IDOf is the inverse of RawID.
func IDOf(prefix string, raw [16]byte) string { return prefix + encode(raw) }

func index(c byte) int {
	for i := range len(crockford) {
		if crockford[i] == c {
			return i
		}
	}
	return -1
}
