// Oracle checks an exported ledger with golang.org/x/mod/sumdb: an implementation of signed notes, tiles and proofs that shares no line with ours.
//
// Usage: go run main.go FOLDER PROOFS.json
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type proofs struct {
	Vkey      string
	Skey      string
	Inclusion []struct {
		Index int64
		Size  int64
		Root  tlog.Hash
		Proof tlog.RecordProof
	}
	Consistency []struct {
		Old     int64
		OldRoot tlog.Hash
		New     int64
		NewRoot tlog.Hash
		Proof   tlog.TreeProof
	}
}

// folder reads tiles of an exported ledger for tlog.
type folder string

func (f folder) Height() int { return height }

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, t := range tiles {
		bytes, err := os.ReadFile(f.path(t))
		if err != nil {
			return nil, err
		}
		data = append(data, bytes)
	}
	return data, nil
}

// path turns the path of tlog, which names the height, into that of tlog-tiles, which does not.
func (f folder) path(t tlog.Tile) string {
	path := strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", height))
	path = strings.Replace(path, "data/", "entries/", 1)
	return filepath.Join(string(f), "tile", path)
}

func (f folder) entries(size int64) [][]byte {
	var entries [][]byte
	for n := int64(0); n<<height < size; n++ {
		width := size - n<<height
		if width > 1<<height {
			width = 1 << height
		}
		data, err := os.ReadFile(f.path(tlog.Tile{H: height, L: -1, N: n, W: int(width)}))
		check(err)
		for ; len(data) > 0; width-- {
			length := binary.BigEndian.Uint16(data)
			entries = append(entries, data[2:2+length])
			data = data[2+length:]
		}
		require(width == 0, "bundle %d has the wrong number of entries", n)
	}
	return entries
}

// tree opens the checkpoint; tlog reads trees of the Go checksum database only, so its first line is put in place of ours.
func (f folder) tree(vkey string) tlog.Tree {
	text, err := os.ReadFile(filepath.Join(string(f), "checkpoint"))
	check(err)
	verifier, err := note.NewVerifier(vkey)
	check(err)
	opened, err := note.Open(text, note.VerifierList(verifier))
	check(err)
	require(len(opened.Sigs) == 1 && len(opened.UnverifiedSigs) == 0, "not exactly one signature")
	origin, rest, _ := strings.Cut(opened.Text, "\n")
	require(origin == verifier.Name(), "origin %q is not the key's name %q", origin, verifier.Name())
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + rest))
	check(err)
	return tree
}

func main() {
	f := folder(os.Args[1])
	var p proofs
	text, err := os.ReadFile(os.Args[2])
	check(err)
	check(json.Unmarshal(text, &p))
	vkey, err := os.ReadFile(filepath.Join(string(f), "ledger.vkey"))
	check(err)
	require(string(vkey) == p.Vkey+"\n", "ledger.vkey is not the key")
	tree := f.tree(p.Vkey)

	// Ed25519 is deterministic: their signer with our key file writes our checkpoint.
	signer, err := note.NewSigner(p.Skey)
	check(err)
	checkpoint, err := os.ReadFile(filepath.Join(string(f), "checkpoint"))
	check(err)
	body := fmt.Sprintf("%s\n%d\n%s\n", signer.Name(), tree.N, tree.Hash)
	signed, err := note.Sign(&note.Note{Text: body}, signer)
	check(err)
	require(bytes.Equal(signed, checkpoint), "their signer writes another checkpoint:\n%s", signed)

	// The tree computed by tlog from the entries alone.
	entries := f.entries(tree.N)
	require(int64(len(entries)) == tree.N, "%d entries, the checkpoint covers %d", len(entries), tree.N)
	var stored []tlog.Hash
	memory := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var hashes []tlog.Hash
		for _, index := range indexes {
			hashes = append(hashes, stored[index])
		}
		return hashes, nil
	})
	for n, entry := range entries {
		hashes, err := tlog.StoredHashes(int64(n), entry, memory)
		check(err)
		stored = append(stored, hashes...)
	}
	root, err := tlog.TreeHash(tree.N, memory)
	check(err)
	require(root == tree.Hash, "the entries give root %v, the checkpoint says %v", root, tree.Hash)

	// The same tree read through our tiles, each of which tlog authenticates.
	tiles := tlog.TileHashReader(tree, f)
	for n, entry := range entries {
		hashes, err := tiles.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(n))})
		check(err)
		require(hashes[0] == tlog.RecordHash(entry), "entry %d does not fit its tile", n)
	}
	for _, tile := range tlog.NewTiles(height, 0, tree.N) {
		if tile.W < 1<<height && tile.W != int(tree.N>>(height*tile.L))%(1<<height) {
			continue // narrower versions of the last tile are not exported
		}
		want, err := tlog.ReadTileData(tile, memory)
		check(err)
		have, err := os.ReadFile(f.path(tile))
		check(err)
		require(bytes.Equal(want, have), "tile %s differs", tile.Path())
	}

	for _, i := range p.Inclusion {
		check(tlog.CheckRecord(i.Proof, i.Size, i.Root, i.Index, tlog.RecordHash(entries[i.Index])))
		theirs, err := tlog.ProveRecord(i.Size, i.Index, tiles)
		check(err)
		require(same(theirs, i.Proof), "inclusion of %d in %d: their proof differs", i.Index, i.Size)
	}
	for _, c := range p.Consistency {
		check(tlog.CheckTree(c.Proof, c.New, c.NewRoot, c.Old, c.OldRoot))
		theirs, err := tlog.ProveTree(c.New, c.Old, tiles)
		check(err)
		require(same(theirs, c.Proof), "consistency of %d and %d: their proof differs", c.Old, c.New)
	}
	fmt.Printf("checked %d entries, %d inclusion and %d consistency proofs\n", tree.N, len(p.Inclusion), len(p.Consistency))
}

func same[T ~[]tlog.Hash](a, b T) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func require(ok bool, format string, args ...any) {
	if !ok {
		log.Fatalf(format, args...)
	}
}
