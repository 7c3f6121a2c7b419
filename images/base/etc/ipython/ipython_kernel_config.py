"""What each kernel of a student's container loads: sentences that help beside a traceback."""

c = get_config()  # noqa: F821
c.IPKernelApp.extensions = ["course_kit.rescue"]
