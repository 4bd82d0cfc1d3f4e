import django.db.models.deletion
from django.db import migrations, models
from nacl.public import PublicKey, SealedBox

from shared.kernel.secret_tail import split_tail


def seal_tails(apps, schema_editor):
    """Seals the secret ends of addresses that were stored in clear: `?user=admin&password=x`.

    What agents are told is written anew by the next sweep, within a minute. One that is too old to open such an end is not
    told of the camera until it is updated; the pages say so.
    """
    cameras = apps.get_model("fleet", "Camera").objects.exclude(source_url="")
    # By id: the model's own order joins the rooms, which are still behind row security.
    for camera in cameras.select_related("agent").order_by("id").iterator():
        clear, tail = split_tail(camera.source_url)
        if tail:
            box = SealedBox(PublicKey(bytes(camera.agent.sealing_key)))
            camera.source_url, camera.sealed_tail = clear, bytes(box.encrypt(tail.encode()))
            camera.tail_sealed_for = camera.agent
            camera.save(update_fields=["source_url", "sealed_tail", "tail_sealed_for"])


class Migration(migrations.Migration):
    dependencies = [("fleet", "0004_agent_stopped_at")]

    operations = [
        migrations.AddField(
            model_name="camera",
            name="sealed_tail",
            field=models.BinaryField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="camera",
            name="tail_sealed_for",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="fleet.agent",
            ),
        ),
        # The owner of the tables is behind row security as well, and a migration knows no studio.
        migrations.RunSQL(
            "ALTER TABLE fleet_camera NO FORCE ROW LEVEL SECURITY; ALTER TABLE fleet_agent NO FORCE ROW LEVEL SECURITY",
            migrations.RunSQL.noop,
        ),
        migrations.RunPython(seal_tails, migrations.RunPython.noop),
        # A changed foreign key is checked at the end, and no table may be altered before.
        migrations.RunSQL(
            "SET CONSTRAINTS ALL IMMEDIATE;"
            " ALTER TABLE fleet_camera FORCE ROW LEVEL SECURITY; ALTER TABLE fleet_agent FORCE ROW LEVEL SECURITY",
            migrations.RunSQL.noop,
        ),
    ]
