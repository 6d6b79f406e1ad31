from handseg.cli import main

main()
