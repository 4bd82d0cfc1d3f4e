"""Tables of consent, and the birth date of dancers."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import shared.protocol.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('people', '0002_row_security'),
        ('tenancy', '0002_row_security'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ConsentNotice',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('language', models.CharField(max_length=16)),
                ('purposes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('record', 'Recording the class'), ('replay', "Watching recordings in the studio's circle"), ('share', 'Sharing recordings by link'), ('live', 'Watching live'), ('export', 'Downloading recordings'), ('pose', 'Analysing movement'), ('third_party', 'Passing recordings to other companies')], max_length=16), size=7)),
                ('title', models.CharField(max_length=120)),
                ('text', models.TextField(max_length=20000)),
                ('version', models.PositiveIntegerField(editable=False, null=True)),
                ('published_at', models.DateTimeField(editable=False, null=True)),
                ('published_by', models.UUIDField(editable=False, null=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['-created_at', 'id'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='ConsentRecord',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('purpose', models.CharField(choices=[('record', 'Recording the class'), ('replay', "Watching recordings in the studio's circle"), ('share', 'Sharing recordings by link'), ('live', 'Watching live'), ('export', 'Downloading recordings'), ('pose', 'Analysing movement'), ('third_party', 'Passing recordings to other companies')], editable=False, max_length=16)),
                ('answer', models.CharField(choices=[('granted', 'Given'), ('refused', 'Refused'), ('withdrawn', 'Withdrawn')], editable=False, max_length=16)),
                ('signer', models.CharField(choices=[('guardian', 'A guardian'), ('self', 'The dancer')], editable=False, max_length=16)),
                ('method', models.CharField(choices=[('portal', 'In the portal'), ('email', 'By the link of an e-mail'), ('paper', 'On paper')], editable=False, max_length=16)),
                ('answered_at', models.DateTimeField(editable=False)),
                ('signed_on', models.DateField(editable=False, null=True)),
                ('answered_by', models.UUIDField(editable=False, null=True)),
                ('signed_by', models.CharField(blank=True, editable=False, max_length=120)),
                ('recorded_by', models.UUIDField(editable=False, null=True)),
                ('dancer', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='consent_records', to='people.dancer')),
                ('notice', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='people.consentnotice')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['-answered_at', '-id'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='ConsentRequest',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('purposes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('record', 'Recording the class'), ('replay', "Watching recordings in the studio's circle"), ('share', 'Sharing recordings by link'), ('live', 'Watching live'), ('export', 'Downloading recordings'), ('pose', 'Analysing movement'), ('third_party', 'Passing recordings to other companies')], max_length=16), size=7)),
                ('token_sha256', models.BinaryField(unique=True)),
                ('asked_by', models.UUIDField(editable=False, null=True)),
                ('sent_at', models.DateTimeField(editable=False, null=True)),
                ('expires_at', models.DateTimeField(editable=False)),
                ('answered_at', models.DateTimeField(editable=False, null=True)),
                ('revoked_at', models.DateTimeField(editable=False, null=True)),
                ('reminders', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('reminded_at', models.DateTimeField(editable=False, null=True)),
                ('dancer', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='people.dancer')),
                ('notice', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='people.consentnotice')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
                ('user', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-created_at', 'id'],
                'abstract': False,
                'default_manager_name': 'objects',
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddField(
            model_name='dancer',
            name='birth_date',
            field=models.DateField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='dancer',
            name='adult_on',
            field=models.GeneratedField(db_persist=True, expression=models.Func(output_field=models.DateField(), template="COALESCE((birth_date + interval '18 years')::date, make_date(birth_year + 19, 1, 1))"), output_field=models.DateField(null=True)),
        ),
        migrations.AddConstraint(
            model_name='dancer',
            constraint=models.CheckConstraint(condition=models.Q(('birth_date__isnull', True), ('birth_year', django.db.models.functions.datetime.ExtractYear('birth_date')), _connector='OR'), name='people_dancer_year_of_date'),
        ),
        migrations.AddConstraint(
            model_name='consentnotice',
            constraint=models.UniqueConstraint(fields=('studio', 'version'), name='people_notice_version_once'),
        ),
        migrations.AddConstraint(
            model_name='consentnotice',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('published_at__isnull', True), ('version__isnull', True)), models.Q(('published_at__isnull', False), ('version__isnull', False)), _connector='OR'), name='people_notice_version_if_published'),
        ),
        migrations.AddIndex(
            model_name='consentrecord',
            index=models.Index(fields=['dancer', 'purpose', '-answered_at', '-id'], name='people_consent_latest'),
        ),
        migrations.AddConstraint(
            model_name='consentrecord',
            constraint=models.CheckConstraint(condition=models.Q(('purpose__in', ['record', 'replay', 'share', 'live', 'export', 'pose', 'third_party']), ('answer__in', ['granted', 'refused', 'withdrawn']), ('signer__in', ['guardian', 'self'])), name='people_consent_known_values'),
        ),
        migrations.AddConstraint(
            model_name='consentrecord',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('method', 'paper'), ('recorded_by__isnull', False)), models.Q(models.Q(('notice__isnull', False), ('answer', 'withdrawn'), _connector='OR'), ('answered_by__isnull', False), ('method__in', ['portal', 'email'])), _connector='OR'), name='people_consent_has_evidence'),
        ),
        migrations.AddIndex(
            model_name='consentrequest',
            index=models.Index(fields=['dancer', '-created_at'], name='people_request_of_dancer'),
        ),
        migrations.AddIndex(
            model_name='consentrequest',
            index=models.Index(condition=models.Q(('answered_at', None), ('revoked_at', None)), fields=['studio', 'created_at'], name='people_request_open'),
        ),
        migrations.AddConstraint(
            model_name='consentrequest',
            constraint=models.UniqueConstraint(condition=models.Q(('answered_at', None), ('revoked_at', None)), fields=('dancer', 'user'), name='people_request_one_open'),
        ),
    ]
