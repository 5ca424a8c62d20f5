package console

import (
	"crypto/sha256"
	"sync"
	"time"
)

// How many wrong tries are free of a pause: of one account from one address, and of one address altogether.
const (
	freeTries        = 5
	freeTriesOfPlace = 30

	firstPause   = 15 * time.Second // doubles with each further wrong try
	longestPause = 15 * time.Minute // tries are forgotten after as long
	maxTries     = 10_000           // remembered at once
)

// tries remembers wrong sign-ins, to slow down who guesses without locking out who is guessed at: the pause is of an
// account from one address. Only hashes are kept. Safe for concurrent use.
type tries struct {
	now func() time.Time

	mu    sync.Mutex
	wrong map[[32]byte]wrongTries // guarded by mu
}

type wrongTries struct {
	count int
	last  time.Time
}

func newTries(now func() time.Time) *tries {
	return &tries{now: now, wrong: map[[32]byte]wrongTries{}}
}

func tryKey(account, address string) [32]byte {
	return sha256.Sum256([]byte(account + "\x00" + address))
}

// wait is how long the next try has to wait; 0 is not at all.
func (t *tries) wait(key [32]byte, free int) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	w, ok := t.wrong[key]
	if !ok || w.count < free {
		return 0
	}
	pause := longestPause
	if n := w.count - free; n < 6 {
		pause = firstPause << n
	}
	return max(w.last.Add(pause).Sub(t.now()), 0)
}

// failed counts a wrong try and gives how many there are.
func (t *tries) failed(key [32]byte) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if len(t.wrong) >= maxTries {
		for k, w := range t.wrong {
			if now.Sub(w.last) > longestPause {
				delete(t.wrong, k)
			}
		}
		if len(t.wrong) >= maxTries {
			clear(t.wrong)
		}
	}
	w := t.wrong[key]
	if now.Sub(w.last) > longestPause {
		w.count = 0
	}
	w.count, w.last = w.count+1, now
	t.wrong[key] = w
	return w.count
}

func (t *tries) forget(key [32]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.wrong, key)
}
