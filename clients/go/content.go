package wecomgw

import pb "wecomgw/clients/go/gen/wecomgw/v1"

// Text is plain text.
func Text(content string) *pb.Content {
	return &pb.Content{Kind: &pb.Content_Text{Text: &pb.Text{Content: content}}}
}

// Markdown is text in WeCom's subset of Markdown.
func Markdown(content string) *pb.Content {
	return &pb.Content{Kind: &pb.Content_Markdown{Markdown: &pb.Markdown{Content: content}}}
}

// TextCard is a card of title, description and link.
func TextCard(title, description, url string) *pb.Content {
	card := &pb.TextCard{Title: title, Description: description, Url: url}
	return &pb.Content{Kind: &pb.Content_TextCard{TextCard: card}}
}

// Image is a picture that was uploaded.
func Image(mediaID string) *pb.Content {
	return &pb.Content{Kind: &pb.Content_Image{Image: &pb.Image{Media: media(mediaID)}}}
}

// File is a file that was uploaded.
func File(mediaID string) *pb.Content {
	return &pb.Content{Kind: &pb.Content_File{File: &pb.File{Media: media(mediaID)}}}
}

// Users are these members.
func Users(userIDs ...string) *pb.Recipients { return &pb.Recipients{UserIds: userIDs} }

// Departments are the members of these departments.
func Departments(ids ...uint32) *pb.Recipients { return &pb.Recipients{DepartmentIds: ids} }

// Tags are the members with these tags.
func Tags(ids ...uint32) *pb.Recipients { return &pb.Recipients{TagIds: ids} }

// Everyone is everyone whom the app can see.
func Everyone() *pb.Recipients { return &pb.Recipients{Everyone: true} }

func media(id string) *pb.Media {
	return &pb.Media{Source: &pb.Media_MediaId{MediaId: id}}
}
