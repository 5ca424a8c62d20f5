package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/odziv/odziv/survey"
)

const (
	day = 24 * time.Hour
	// longest keeps sums of durations and times far from overflow.
	longest = 36500 * day
)

// parseDuration reads what time.ParseDuration reads, with days before it: 90d, 1d12h, 30s.
func parseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is not a duration: write 30s, 15m, 2h or 90d", s)
	rest, total := s, time.Duration(0)
	if n, after, ok := strings.Cut(s, "d"); ok {
		days, err := strconv.ParseUint(n, 10, 16)
		if err != nil || days > uint64(longest/day) {
			return 0, bad
		}
		total, rest = time.Duration(days)*day, after
		if rest == "" {
			return total, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d > longest {
		return 0, bad
	}
	return total + d, nil
}

// none is the word that switches a rule off.
const none = "none"

// parseWindow reads 09:00-20:00, or none.
func parseWindow(s string) (Window, error) {
	if s == none {
		return Window{}, nil
	}
	bad := fmt.Errorf("%q is not a time window: write 09:00-20:00, or none", s)
	from, to, ok := strings.Cut(s, "-")
	if !ok {
		return Window{}, bad
	}
	a, okA := parseClock(strings.TrimSpace(from))
	b, okB := parseClock(strings.TrimSpace(to))
	if !okA || !okB {
		return Window{}, bad
	}
	if a >= b {
		return Window{}, fmt.Errorf("the window %q ends before it begins: it lies within one day, such as 09:00-20:00", s)
	}
	return Window{From: a, To: b}, nil
}

// parseClock reads hh:mm, up to 24:00.
func parseClock(s string) (time.Duration, bool) {
	if len(s) != 5 || s[2] != ':' {
		return 0, false
	}
	h, errH := strconv.ParseUint(s[:2], 10, 8)
	m, errM := strconv.ParseUint(s[3:], 10, 8)
	if errH != nil || errM != nil || m > 59 || h > 24 || h == 24 && m > 0 {
		return 0, false
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute, true
}

func (w Window) String() string {
	if w == (Window{}) {
		return none
	}
	return fmt.Sprintf("%02d:%02d-%02d:%02d", int(w.From.Hours()), int(w.From.Minutes())%60, int(w.To.Hours()), int(w.To.Minutes())%60)
}

// parseRate reads 10/s, 600/min, 5000/h or 100000/day.
func parseRate(s string) (Rate, error) {
	bad := fmt.Errorf("%q is not a rate: write 10/s, 600/min, 5000/h, 100000/day or 30 segments/s", s)
	number, unit, ok := strings.Cut(s, "/")
	if !ok {
		return Rate{}, bad
	}
	number, segments := strings.CutSuffix(strings.TrimSpace(number), "segments")
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || n < 1 || n > 1_000_000_000 {
		return Rate{}, bad
	}
	var per time.Duration
	switch strings.TrimSpace(unit) {
	case "s", "sec", "second":
		per = time.Second
	case "m", "min", "minute":
		per = time.Minute
	case "h", "hour":
		per = time.Hour
	case "d", "day":
		per = day
	default:
		return Rate{}, bad
	}
	return Rate{N: n, Per: per, Segments: segments}, nil
}

func parseLevel(s string) (slog.Level, error) {
	var l slog.Level
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, strings.ToLower(s)) || l.UnmarshalText([]byte(s)) != nil {
		return 0, fmt.Errorf("%q is no log level: write debug, info, warn or error", s)
	}
	return l, nil
}

func parseRoles(names []string) ([]string, error) {
	var roles []string
	for _, n := range names {
		n = strings.TrimSpace(n)
		if n == "" {
			continue
		}
		if !slices.Contains(roleNames(), n) {
			return nil, fmt.Errorf("unknown role %q%s; the roles are %s", n, meant(n, roleNames()), strings.Join(roleNames(), ", "))
		}
		if !slices.Contains(roles, n) {
			roles = append(roles, n)
		}
	}
	if len(roles) == 0 {
		return nil, fmt.Errorf("no role is named; the roles are %s", strings.Join(roleNames(), ", "))
	}
	return roles, nil
}

// parseProxies reads addresses and networks with commas between them.
func parseProxies(s string) ([]netip.Prefix, error) {
	var proxies []netip.Prefix
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		p, err := netip.ParsePrefix(part)
		if ip, addrErr := netip.ParseAddr(part); addrErr == nil {
			p, err = netip.PrefixFrom(ip.Unmap().WithZone(""), ip.Unmap().BitLen()), nil
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q is neither an address nor a network: write 127.0.0.1 or 10.0.0.0/8", part)
		case p.Bits() == 0:
			return nil, fmt.Errorf("%q is everybody: name your own proxies, such as 127.0.0.1 or 10.0.0.0/8", part)
		}
		proxies = append(proxies, p.Masked())
	}
	return proxies, nil
}

func checkListen(s string) error {
	bad := fmt.Errorf("%q is not host:port: write 127.0.0.1:8080, or :8080 for every address", s)
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return bad
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return bad
	}
	return nil
}

// parseBaseURL reads an absolute http address and takes the slash off its end.
func parseBaseURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("is not an absolute address: write https://ask.example.hr, without user, query or #")
	}
	return strings.TrimRight(s, "/"), nil
}

// errSecretURL names no part of the address: any part of it may be a password.
var errSecretURL = errors.New("is not an address: write scheme://user:password@host:port, with %-escapes for / : @ # ? % in the password")

func checkDatabaseURL(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return errSecretURL
	}
	switch {
	case u.Scheme != "postgres" && u.Scheme != "postgresql":
		return errors.New("is not a PostgreSQL address: write postgres://user:password@host:5432/name, or leave it empty for SQLite in data_dir")
	case u.Host == "" && u.Query().Get("host") == "":
		return errors.New("names no host: write postgres://user:password@host:5432/name")
	default:
		return nil
	}
}

func checkRedisURL(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return errSecretURL
	}
	switch u.Scheme {
	case "redis", "rediss":
		if u.Hostname() == "" {
			return errors.New("names no host: write redis://user:password@host:6379/0")
		}
		if n := strings.Trim(u.Path, "/"); n != "" {
			if _, err := strconv.ParseUint(n, 10, 16); err != nil {
				return errors.New("its path is not a database number: write redis://host:6379/0")
			}
		}
		return nil
	case "redis-sentinel", "redis-cluster":
		return fmt.Errorf("%s:// is not supported yet: write redis:// or rediss:// with the address of one server", u.Scheme)
	default:
		return errors.New("is not a Redis address: write redis://host:6379/0, rediss:// for TLS, or leave it empty for the one in process")
	}
}

func checkSMTPURL(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return errSecretURL
	}
	if u.Scheme != "smtp" || u.Hostname() == "" {
		return errors.New("is not an SMTP address: write smtp://user:password@host:587?tls=starttls")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errSecretURL
	}
	for k, v := range query {
		if k != "tls" {
			return fmt.Errorf("unknown option %q%s; the only one is tls=none, starttls or implicit", k, meant(k, []string{"tls"}))
		}
		if !slices.Contains([]string{"none", "starttls", "implicit"}, v[0]) {
			return fmt.Errorf("tls=%s is unknown: write tls=none, starttls or implicit", v[0])
		}
	}
	return nil
}

func checkMailbox(s string) error {
	if _, err := mail.ParseAddress(s); err != nil {
		return fmt.Errorf("%q is not a mailbox: write Trgovina <ankete@example.hr>", s)
	}
	return nil
}

var colorShape = regexp.MustCompile(`^#[0-9A-Fa-f]{6}$`)

func checkColor(s string) error {
	if !colorShape.MatchString(s) {
		return fmt.Errorf("%q is not a colour: write #0b6e4f, in quotes", s)
	}
	return nil
}

func checkZone(s string) error {
	if _, err := time.LoadLocation(s); err != nil || s == "Local" {
		return fmt.Errorf("%q is not a time zone: write Europe/Zagreb", s)
	}
	return nil
}

// meant is «; did you mean "x"?» for the nearest of the known words, or nothing when none is near.
func meant(word string, known []string) string {
	near := survey.Nearest(word, known)
	if near == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", near)
}
