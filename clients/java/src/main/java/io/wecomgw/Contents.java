package io.wecomgw;

import io.wecomgw.v1.Content;
import io.wecomgw.v1.File;
import io.wecomgw.v1.Image;
import io.wecomgw.v1.Markdown;
import io.wecomgw.v1.Media;
import io.wecomgw.v1.Recipients;
import io.wecomgw.v1.Text;
import io.wecomgw.v1.TextCard;
import java.util.Arrays;

/** Short ways to write what a message says and who gets it. */
public final class Contents {
  private Contents() {}

  /** Plain text. */
  public static Content text(String content) {
    return Content.newBuilder().setText(Text.newBuilder().setContent(content)).build();
  }

  /** Text in WeCom's subset of Markdown. */
  public static Content markdown(String content) {
    return Content.newBuilder().setMarkdown(Markdown.newBuilder().setContent(content)).build();
  }

  /** A card of title, description and link. */
  public static Content textCard(String title, String description, String url) {
    TextCard.Builder card =
        TextCard.newBuilder().setTitle(title).setDescription(description).setUrl(url);
    return Content.newBuilder().setTextCard(card).build();
  }

  /** A picture that was uploaded. */
  public static Content image(String mediaId) {
    return Content.newBuilder().setImage(Image.newBuilder().setMedia(media(mediaId))).build();
  }

  /** A file that was uploaded. */
  public static Content file(String mediaId) {
    return Content.newBuilder().setFile(File.newBuilder().setMedia(media(mediaId))).build();
  }

  /** These members. */
  public static Recipients users(String... userIds) {
    return Recipients.newBuilder().addAllUserIds(Arrays.asList(userIds)).build();
  }

  /** The members of these departments. */
  public static Recipients departments(Integer... departmentIds) {
    return Recipients.newBuilder().addAllDepartmentIds(Arrays.asList(departmentIds)).build();
  }

  /** The members with these tags. */
  public static Recipients tags(Integer... tagIds) {
    return Recipients.newBuilder().addAllTagIds(Arrays.asList(tagIds)).build();
  }

  /** Everyone whom the app can see. */
  public static Recipients everyone() {
    return Recipients.newBuilder().setEveryone(true).build();
  }

  private static Media media(String id) {
    return Media.newBuilder().setMediaId(id).build();
  }
}
