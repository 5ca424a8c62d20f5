package console_test

import (
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

// An operator sees the alarm on any page, wakes the sender, and replays a class; on a wide screen and on a phone nothing
// is wider than the screen.
func TestBrowserOperators(t *testing.T) {
	t.Parallel()
	ctx, f, base := newBrowser(t)
	f.ops.trouble(f.now)
	signIn(ctx, t, base, hrSMS)
	for _, w := range []struct {
		name  string
		width int64
	}{{"1440", 1440}, {"390", 390}} {
		act(ctx, t, chromedp.EmulateViewport(w.width, 900))
		for _, p := range []struct{ name, path string }{
			{"alarm", "/console/messages"},
			{"senders", "/console/senders"},
			{"letters", "/console/letters"},
			{"letters-class", "/console/letters?reason=uncertain&sender=sms&fault=unconfirmed&code=timeout&replayed=3"},
		} {
			act(ctx, t, chromedp.Navigate(base+p.path))
			until(ctx, t, `document.documentElement.scrollWidth <= innerWidth`)
			look(ctx, t, p.name+"-"+w.name+"-light")
		}
	}
	act(ctx, t, chromedp.EmulateViewport(1440, 900), chromedp.Navigate(base+"/console/letters"), chromedp.Click(chromedp.CSS(".classes .pop summary")))
	look(ctx, t, "letters-replay-1440-light")
	act(ctx, t, chromedp.Click(chromedp.CSS(".classes .pop[open] button[type=submit]")), chromedp.WaitVisible(chromedp.CSS(".toast")))
	if len(f.ops.replays) != 1 || f.ops.replays[0].Code != "20003" {
		t.Errorf("replayed %+v", f.ops.replays)
	}
	act(ctx, t, chromedp.Click(chromedp.CSS(".alarm a")), chromedp.WaitVisible(chromedp.CSS("#sms button[type=submit]")))
	act(ctx, t, chromedp.Click(chromedp.CSS("#sms button[type=submit]")), chromedp.WaitVisible(chromedp.CSS(".toast")))
	if !slices.Equal(f.ops.resumed, []string{"sms"}) {
		t.Errorf("resumed %v", f.ops.resumed)
	}
}
