package strangers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/silenceper/wechat/v2/work"
)

type file struct {
	name    string
	content []byte
}

// files are the smallest that WeCom takes for what they are.
var files = map[string]file{
	"image": {"dot.png", []byte("\x89PNG\r\n\x1a\n not much of a picture")},
	"voice": {"beep.amr", append([]byte("#!AMR\n\x3c"), make([]byte, 31)...)},
	"video": {"clip.mp4", []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42")},
	"file":  {"notes.txt", []byte("周会纪要\r\n--not a boundary\r\n")},
}

func upload(t *testing.T, client *work.Work, kind string) string {
	t.Helper()
	reader := bytes.NewReader(files[kind].content)
	answer, err := client.GetMaterial().UploadTempFileFromReader(files[kind].name, kind, reader)
	must(t, err)
	equal(t, answer.Type, kind)
	return answer.MediaID
}

func TestWhatGoesUpComesDown(t *testing.T) {
	for kind, file := range files {
		t.Run(kind, func(t *testing.T) {
			client := fresh(t)
			mediaID := upload(t, client, kind)
			equal(t, read(t, "media/"+mediaID), file.content)
			var kept []struct {
				FileName string `json:"file_name"`
			}
			witness(t, "media", &kept)
			equal(t, kept[0].FileName, file.name)
			content, err := client.GetMaterial().GetTempFile(mediaID)
			must(t, err)
			equal(t, content, file.content)
		})
	}
}

func TestUploadFromDisk(t *testing.T) {
	client := fresh(t)
	path := filepath.Join(t.TempDir(), "notes.txt")
	must(t, os.WriteFile(path, files["file"].content, 0o600))
	answer, err := client.GetMaterial().UploadTempFile(path, "file")
	must(t, err)
	equal(t, read(t, "media/"+answer.MediaID), files["file"].content)
}

func TestUnknownMedia(t *testing.T) {
	_, err := fresh(t).GetMaterial().GetTempFile("nothing")
	hasCode(t, err, 40007)
}

func TestPictureForAnArticle(t *testing.T) {
	reader := bytes.NewReader(files["image"].content)
	answer, err := fresh(t).GetMaterial().UploadImgFromReader("dot.png", reader)
	must(t, err)
	var pictures []struct{ URL, SHA256 string }
	witness(t, "pictures", &pictures)
	digest := sha256.Sum256(files["image"].content)
	equal(t, pictures[0].URL, answer.URL)
	equal(t, pictures[0].SHA256, hex.EncodeToString(digest[:]))
}
