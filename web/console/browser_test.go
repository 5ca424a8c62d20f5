package console_test

import (
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web/console"
)

// newBrowser opens a page in a real Chromium against a console on a fake. Whatever the page complains about (scripts,
// its content security policy) fails the test.
func newBrowser(t *testing.T) (context.Context, *fake, string) {
	t.Helper()
	path := os.Getenv("ODZIV_TEST_CHROMIUM")
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("ODZIV_TEST_CHROMIUM is not set")
		}
		t.Skip("ODZIV_TEST_CHROMIUM is not set")
	}
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + ln.Addr().String()
	app, f := newConsole(t, func(d *console.Deps) { d.PublicURL = base })
	served := make(chan error, 1)
	go func() { served <- app.Listener(ln) }()
	t.Cleanup(func() {
		if err := app.Shutdown(); err != nil {
			t.Error(err)
		}
		_ = ln.Close()
		<-served
	})

	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("no-first-run", true), chromedp.Flag("hide-scrollbars", true))
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	var mu sync.Mutex
	var complaints []string
	complain := func(words string) {
		mu.Lock()
		defer mu.Unlock()
		complaints = append(complaints, words)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1440, 1100)); err != nil {
		t.Fatal(err)
	}
	err = chromedp.Listen(ctx, func(ev any) {
		switch e := ev.(type) {
		case *cdplog.EventEntryAdded:
			if e.Entry.Level == cdplog.EntryLevelError {
				complain(e.Entry.Text)
			}
		case *runtime.EventExceptionThrown:
			words := e.ExceptionDetails.Text
			if e.ExceptionDetails.Exception != nil {
				words += " " + e.ExceptionDetails.Exception.Description
			}
			complain(words)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range complaints {
			t.Errorf("the page complains: %s", c)
		}
	})
	return ctx, f, base
}

func act(ctx context.Context, t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// until waits for a condition of the page.
func until(ctx context.Context, t *testing.T, condition string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](condition)); err != nil {
		html, _ := chromedp.Run(context.WithoutCancel(ctx), chromedp.Evaluate[string]("document.querySelector('main').innerText"))
		t.Fatalf("waited for %s: %v\n%s", condition, err, html)
	}
}

// press clicks what the server may be replacing at this moment.
func press(ctx context.Context, t *testing.T, selector string) {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.querySelector('"+selector+"').click() === undefined")); err != nil {
		t.Fatal(err)
	}
}

// look keeps a picture where ODZIV_TEST_SCREENSHOTS says, for people to look at.
func look(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("ODZIV_TEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil { //nolint:gosec // a folder that the tester names
		t.Fatal(err)
	}
}

func signIn(ctx context.Context, t *testing.T, base, next string) {
	t.Helper()
	act(ctx, t,
		chromedp.Navigate(base+"/console/sign-in?next="+url.QueryEscape(next)),
		chromedp.SendKeys(chromedp.CSS("#email"), goodEmail),
		chromedp.SendKeys(chromedp.CSS("#password"), goodPassword),
		chromedp.Click(chromedp.CSS("#sign-in button[type=submit]")),
		chromedp.WaitVisible(chromedp.CSS(".cm-content")),
	)
}

func TestBrowserTyping(t *testing.T) {
	t.Parallel()
	ctx, f, base := newBrowser(t)
	signIn(ctx, t, base, hrSMS)
	until(ctx, t, `document.querySelector("#preview .bub")?.innerText.includes("Lipa")`)

	// An unknown variable: the remark, the underline, the mark beside the line.
	act(ctx, t,
		chromedp.Click(chromedp.CSS(".cm-content")),
		chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)), chromedp.KeyEvent(kb.Delete),
		chromedp.KeyEvent("Bok {{ contact.frist_name }}, kako je bilo?"), // braces that the editor closes are typed over
	)
	until(ctx, t, `!!document.querySelector('#lint [data-code="unknown_variable"]')`)
	until(ctx, t, `document.querySelector(".cm-lintRange-error")?.textContent === "contact.frist_name"`)
	until(ctx, t, `!!document.querySelector(".cm-gutter-lint .cm-lint-marker-error")`)
	until(ctx, t, `document.querySelector("#gate").innerText.includes("stops publishing")`)
	until(ctx, t, `document.querySelector("#publish-link").getAttribute("aria-disabled") === "true"`)
	look(ctx, t, "typing-1440-light")

	// The remark mends it; the preview follows.
	press(ctx, t, "#lint [data-apply]")
	until(ctx, t, `document.querySelector("#preview .bub")?.innerText.includes("Bok Ana, kako je bilo?")`)
	until(ctx, t, `!document.querySelector("#lint [data-code]") && !document.querySelector(".cm-lintRange-error")`)
	if d, _ := f.draft(survey.Invitation, survey.SMS, "hr"); d.Text != "Bok {{ contact.first_name }}, kako je bilo?" {
		t.Fatalf("draft %q", d.Text)
	}

	// A variable from the list, at the cursor.
	act(ctx, t, chromedp.Click(chromedp.CSS(`[data-insert="{{ transaction.id }}"]`)))
	until(ctx, t, `document.querySelector("#preview .bub")?.innerText.includes("10023")`)

	// A test send, then publishing.
	act(ctx, t,
		chromedp.Click(chromedp.CSS("#test summary")),
		chromedp.Click(chromedp.CSS("#test button[type=submit]")),
		chromedp.WaitVisible(chromedp.CSS("#see-phone")),
	)
	look(ctx, t, "tested-1440-light")
	act(ctx, t,
		chromedp.KeyEvent(kb.Escape),
		chromedp.Click(chromedp.CSS("#publish-link")),
		chromedp.WaitVisible(chromedp.CSS("#publish-now")),
	)
	look(ctx, t, "publish-1440-light")
	act(ctx, t, chromedp.Click(chromedp.CSS("#publish-now")), chromedp.WaitVisible(chromedp.CSS(".toast")))
	if got := f.live(survey.Invitation, survey.SMS, "hr").Text; !strings.Contains(got, "contact.first_name") {
		t.Errorf("published %q", got)
	}
	act(ctx, t, chromedp.Navigate(base+"/console/versions/"+nps+"/1"), chromedp.Click(chromedp.CSS("#rollback-now")), chromedp.WaitVisible(chromedp.CSS(".toast")))
	if n := len(f.releases[nps]); n != 3 {
		t.Errorf("%d releases", n)
	}
}

func TestBrowserMail(t *testing.T) {
	t.Parallel()
	ctx, _, base := newBrowser(t)
	mail := "/console/messages/" + nps + "/invitation/email/fa"
	signIn(ctx, t, base, mail)
	act(ctx, t, chromedp.WaitVisible(chromedp.CSS("iframe.mail-frame")))
	until(ctx, t, `getComputedStyle(document.querySelector(".cm-content")).direction === "rtl"`)
	act(ctx, t, chromedp.SendKeys(chromedp.CSS("#subject"), "X"))
	until(ctx, t, `document.querySelector("#preview .mail-head b")?.innerText.includes("X")`)
	// The frame is sandboxed: not even its own origin is ours.
	until(ctx, t, `document.querySelector("iframe.mail-frame").contentDocument === null`)
}

func TestBrowserLook(t *testing.T) {
	t.Parallel()
	ctx, f, base := newBrowser(t)
	f.addSends()
	f.drafts[nps] = []survey.Text{
		{Kind: survey.Invitation, Channel: survey.SMS, Locale: "pl", Text: "{{ contact.frist_name }}, oceń nas"},
		{Kind: survey.Invitation, Channel: survey.SMS, Locale: "hr", Text: "{% comment %} Pristojno. {% endcomment %}\n{{ brand.name }}: hvala na narudžbi, {{ contact.first_name | default: \"kupče\" }}!\nKoliko je vjerojatno da biste nas preporučili prijateljima?\nOdgovorite brojem 0–10.\nSTOP za odjavu."},
	}
	pages := []struct{ name, path, ready string }{
		{"sign-in", "/console/sign-in", "#password"},
		{"hr-sms", hrSMS, ".cm-content"},
		{"fa-email", "/console/messages/" + nps + "/invitation/email/fa", ".cm-content"},
		{"fa-viber", "/console/messages/" + nps + "/invitation/viber/fa", ".cm-content"},
		{"hr-viber", "/console/messages/" + nps + "/invitation/viber/hr", ".cm-content"},
		{"pl-sms", "/console/messages/" + nps + "/invitation/sms/pl", ".cm-content"},
		{"chat", "/console/messages/" + nps + "/thanks.promoter/chat/hr", ".cm-content"},
		{"index", "/console/messages", "table"},
		{"publish", "/console/publish/" + nps, ".change"},
		{"versions", "/console/versions/" + nps, "table"},
		{"sends", "/console/sends", "table"},
		{"send", "/console/sends/snd_0", ".panel"},
	}
	for i, p := range pages {
		if i == 1 {
			signIn(ctx, t, base, hrSMS)
		}
		for _, width := range []int64{1440, 1024, 390} {
			for _, scheme := range []string{"light", "dark"} {
				height := int64(1100)
				if width == 390 {
					height = 844
				}
				act(ctx, t,
					chromedp.EmulateViewport(width, height), inScheme(scheme),
					chromedp.Navigate(base+p.path), chromedp.WaitVisible(chromedp.CSS(p.ready)),
				)
				if over, err := chromedp.Run(ctx, chromedp.Evaluate[int]("document.documentElement.scrollWidth - innerWidth")); err != nil || over > 0 {
					wide, _ := chromedp.Run(ctx, chromedp.Evaluate[string](tooWide))
					t.Errorf("%s at %d px scrolls sideways by %d px (%v): %s", p.name, width, over, err, wide)
				}
				if small, err := chromedp.Run(ctx, chromedp.Evaluate[string](withoutName)); err != nil || small != "" {
					t.Errorf("%s: without a name: %s (%v)", p.name, small, err)
				}
				look(ctx, t, p.name+"-"+map[int64]string{1440: "1440", 1024: "1024", 390: "390"}[width]+"-"+scheme)
			}
		}
	}
	act(ctx, t, chromedp.Navigate(base+hrSMS), chromedp.Click(chromedp.CSS(`[data-show="preview"]`)), chromedp.WaitVisible(chromedp.CSS("#preview .phone")))
	look(ctx, t, "hr-sms-preview-390-dark")
}

// inScheme makes the browser prefer light or dark.
func inScheme(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// withoutName finds what can be acted on and has no name to be called by.
const withoutName = `[...document.querySelectorAll("a, button, input:not([type=hidden]), summary, iframe, [role=textbox]")].filter(e =>
	!(e.textContent?.trim() || e.getAttribute("aria-label") || e.title || e.labels?.length)).map(e => e.outerHTML.slice(0, 120)).join("\n")`

// tooWide finds what sticks out of the page.
const tooWide = `[...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > innerWidth && !e.closest(".tabs, .scroll-x"))
	.map(e => e.tagName + "." + e.className).join(" ").slice(0, 400)`
