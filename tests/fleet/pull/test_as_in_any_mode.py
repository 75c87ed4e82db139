"""What holds for clusters that the hub reaches itself holds for those that only their agents reach: the same tests."""

from tests.fleet.hub.test_an_application_reaches_its_clusters import (
    test_a_difference_added_and_removed_is_applied_and_taken_back,
    test_an_application_that_would_leave_every_cluster_is_held,
    test_changes_reach_the_members_and_nothing_else_is_touched,
    test_deleting_it_leaves_nothing_but_the_namespace,
    test_images_env_and_replicas_differ_per_cluster,
    test_orphaned_objects_stay_unmarked,
    test_suspended_nothing_is_written_and_resumed_all_is,
)
from tests.fleet.hub.test_members_may_refuse import (
    test_a_kind_that_nobody_knows_waits_and_is_named,
    test_a_kind_that_one_member_does_not_serve_waits_there_alone,
    test_a_namespace_is_made_where_it_is_missing_and_again_when_it_was_deleted,
    test_an_admission_that_denies_is_quoted_and_the_others_go,
    test_an_autoscaler_that_comes_later_never_makes_replicas_fall,
    test_list_keys_that_only_the_member_knows_are_told_in_its_words,
    test_of_two_applications_the_first_has_the_object_and_the_second_is_told,
)

__all__ = [
    "test_a_difference_added_and_removed_is_applied_and_taken_back",
    "test_a_kind_that_nobody_knows_waits_and_is_named",
    "test_a_kind_that_one_member_does_not_serve_waits_there_alone",
    "test_a_namespace_is_made_where_it_is_missing_and_again_when_it_was_deleted",
    "test_an_admission_that_denies_is_quoted_and_the_others_go",
    "test_an_application_that_would_leave_every_cluster_is_held",
    "test_an_autoscaler_that_comes_later_never_makes_replicas_fall",
    "test_changes_reach_the_members_and_nothing_else_is_touched",
    "test_deleting_it_leaves_nothing_but_the_namespace",
    "test_images_env_and_replicas_differ_per_cluster",
    "test_list_keys_that_only_the_member_knows_are_told_in_its_words",
    "test_of_two_applications_the_first_has_the_object_and_the_second_is_told",
    "test_orphaned_objects_stay_unmarked",
    "test_suspended_nothing_is_written_and_resumed_all_is",
]
