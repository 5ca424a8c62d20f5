package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// A kind of order: what shall happen to it beside its delivery.
type kind int

const (
	plain      kind = iota
	again           // asks for an earlier order once more
	suppressed      // its number is on the list before it is asked for
	expiring        // may not be sent for long
	cancelling      // is cancelled at some moment
	stopping        // the person answers STOP, and is asked for once more after that
	answering       // the person answers
	cascade         // SMS, then mail
)

// kinds of a thousand orders; what is left is plain.
func kinds() map[kind]int {
	return map[kind]int{again: 50, suppressed: 20, expiring: 50, cancelling: 50, stopping: 40, answering: 30, cascade: 100}
}

// An order is one fact that is reported to the gateway.
type order struct {
	n        int
	kind     kind
	tx       string
	phone    string
	email    string
	life     time.Duration // of an expiring one, from when it is asked for
	channels []string
}

// body is the request for it, now.
func (o *order) body(now time.Time) []byte {
	m := map[string]any{
		"survey":      "nps-after-purchase",
		"recipient":   map[string]any{"name": "Ana", "phone": o.phone, "email": o.email, "locale": "hr"},
		"transaction": map[string]any{"id": o.tx, "type": "order.delivered", "touchpoint": "delivery"},
		"channels":    o.channels,
	}
	if o.life > 0 {
		m["expires_at"] = now.Add(o.life).UTC().Format(time.RFC3339Nano)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings only
	}
	return raw
}

// An ask is one call: a single send, or a batch.
type ask struct {
	at     time.Duration // since the load began
	key    string        // Idempotency-Key
	orders []*order
	single bool
}

func newOrder(n int, k kind) *order {
	id := strconv.Itoa(n)
	return &order{
		n: n, kind: k, tx: "order-" + id, phone: fmt.Sprintf("+38591%07d", n), email: "ana" + id + "@posta.example", channels: []string{"sms"},
	}
}

// orders invents n of them.
func orders(n int, r *rand.Rand) []*order {
	all := make([]*order, 0, n)
	for i := range n {
		k, draw := plain, r.IntN(1000)
		for c := again; c <= cascade; c++ {
			if draw -= kinds()[c]; draw < 0 {
				k = c
				break
			}
		}
		o := newOrder(i, k)
		switch k {
		case again:
			if i == 0 {
				o.kind = plain
				break
			}
			twin := *all[r.IntN(i)]
			if twin.kind == expiring || twin.kind == stopping { // their bodies or what follows them differ
				o.kind = plain
				break
			}
			twin.n, twin.kind = i, again
			o = &twin
		case expiring:
			o.life = time.Duration(1000+r.IntN(7000)) * time.Millisecond
		case cascade:
			o.channels = []string{"sms", "email"}
		case plain, suppressed, cancelling, stopping, answering:
		}
		all = append(all, o)
	}
	return all
}

// asks spreads orders over a time, alone and in batches.
func asks(all []*order, over time.Duration, r *rand.Rand) []ask {
	var out []ask
	for len(all) > 0 {
		a := ask{key: fmt.Sprintf("ask-%d", len(out)), single: r.IntN(100) < 95}
		n := 1
		if !a.single {
			n = min(len(all), 1+r.IntN(80))
		}
		a.orders, all = all[:n], all[n:]
		out = append(out, a)
	}
	for i := range out {
		out[i].at = time.Duration(float64(over) * float64(i) / float64(len(out)))
	}
	return out
}
