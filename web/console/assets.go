package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
)

//go:embed assets/*.css assets/*.js assets/*.txt
var assetFiles embed.FS

// An asset is a file of the pages, with its gzip: it is asked for far more often than the program starts.
type asset struct {
	raw, zip []byte
	kind     string
	version  string // part of the address, so that browsers may keep it for ever
}

type assets map[string]asset

func loadAssets() (assets, error) {
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return nil, fmt.Errorf("read assets: %w", err)
	}
	out := assets{}
	for _, e := range entries {
		raw, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read asset %s: %w", e.Name(), err)
		}
		var zip bytes.Buffer
		w := gzip.NewWriter(&zip)
		if _, err := w.Write(raw); err != nil {
			return nil, fmt.Errorf("compress asset %s: %w", e.Name(), err)
		}
		if err := w.Close(); err != nil {
			return nil, fmt.Errorf("compress asset %s: %w", e.Name(), err)
		}
		sum := sha256.Sum256(raw)
		kind := mime.TypeByExtension(path.Ext(e.Name()))
		if path.Ext(e.Name()) == ".js" {
			kind = "text/javascript; charset=utf-8" // a host's own table may say otherwise
		}
		out[e.Name()] = asset{raw: raw, zip: zip.Bytes(), kind: kind, version: hex.EncodeToString(sum[:6])}
	}
	return out, nil
}

// address is where the pages find an asset.
func (a assets) address(name string) string {
	return root + "/assets/" + name + "?v=" + a[name].version
}

func (c *Console) asset(f *fiber.Ctx) error {
	a, ok := c.assets[f.Params("name")]
	if !ok {
		return survey.ErrNotFound
	}
	f.Set(fiber.HeaderContentType, a.kind)
	f.Set(fiber.HeaderVary, fiber.HeaderAcceptEncoding)
	if f.Query("v") == a.version {
		f.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	} else {
		f.Set(fiber.HeaderCacheControl, "no-cache")
	}
	if strings.Contains(f.Get(fiber.HeaderAcceptEncoding), "gzip") {
		f.Set(fiber.HeaderContentEncoding, "gzip")
		return f.Send(a.zip)
	}
	return f.Send(a.raw)
}
